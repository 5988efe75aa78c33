"""All separations and similarities, with the names that the reference has."""

import hopfield_kernels as hk

SEPARATIONS = {
    "softmax": (hk.Softmax(), "softmax", 0),
    "softmax_plus": (hk.SoftmaxPlus(1.0), "softmax_plus", 1.0),
    "sparsemax": (hk.Sparsemax(), "sparsemax", 0),
    "entmax1.5": (hk.Entmax(1.5), "entmax", 1.5),
    "entmax1.3": (hk.Entmax(1.3), "entmax", 1.3),
    "entmax3": (hk.Entmax(3.0), "entmax", 3.0),
    "normmax2": (hk.Normmax(2.0), "normmax", 2.0),
    "normmax5": (hk.Normmax(5.0), "normmax", 5.0),
    "k_subsets": (hk.KSubsets(2.5), "k_subsets", 2.5),
    "top_k": (hk.TopK(3), "top_k", 3),
    "hard_top_k": (hk.HardTopK(3), "hard_top_k", 3),
    "max": (hk.Max(), "max", 0),
    "polynomial": (hk.Polynomial(3.0), "polynomial", 3.0),
    "power": (hk.Power(3.0), "power", 3.0),
    "epanechnikov": (hk.Epanechnikov(), "epanechnikov", 1.0),
    "epanechnikov2": (hk.Epanechnikov(2.0), "epanechnikov", 2.0),
}
SIMILARITIES = ("dot", "cosine", "neg_half_squared_l2", "neg_l2", "neg_l1")
SMOOTH = ("softmax", "softmax_plus", "entmax1.5", "normmax2", "polynomial", "power")
