"""An associative memory with the interface of scikit-learn.

>>> import numpy as np
>>> from hopfield_kernels.sklearn import AssociativeMemory
>>> patterns = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
>>> memory = AssociativeMemory(beta=64.0).fit(patterns, ["left", "middle"])
>>> memory.transform([[0.1, 0.8, 0.3]]).round()
array([[0., 1., 0.]])
>>> memory.predict([[0.1, 0.8, 0.3]])
array(['middle'], dtype='<U6')
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "hopfield_kernels.sklearn needs scikit-learn 1.6 or later: pip install scikit-learn"
    ) from error

from ._memory import Memory
from .separations import Separation

__all__ = ["AssociativeMemory"]


class AssociativeMemory(TransformerMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Stores the samples that it is fitted to; recalls what others are most like.

    Parameters
    ----------
    beta : float
        The inverse temperature: the larger, the more of the weight has the most similar pattern.
    similarity : str
        "dot", "cosine", "neg_half_squared_l2", "neg_l2" or "neg_l1".
    separation : str or Separation
        "softmax", "sparsemax", "max" or an object of `hopfield_kernels`.
    steps : int
        The number of updates of `transform`.

    Attributes
    ----------
    memory_ : hopfield_kernels.Memory
        The stored patterns.
    classes_ : array
        The labels there are, of an estimator that was fitted with labels.
    n_features_in_ : int
        Features of a pattern.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        similarity: str = "neg_half_squared_l2",
        separation: str | Separation = "softmax",
        steps: int = 1,
    ) -> None:
        self.beta = beta
        self.similarity = similarity
        self.separation = separation
        self.steps = steps

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> AssociativeMemory:
        """Stores the samples X (N, D) as patterns, and their labels y (N,), if given."""
        self._check_parameters()
        types = [np.float64, np.float32]
        if y is None:
            X = validate_data(self, X, dtype=types)
        else:
            X, y = validate_data(self, X, y, dtype=types)
            check_classification_targets(y)
            self.classes_, self._labels = np.unique(y, return_inverse=True)
        self.memory_ = Memory(X)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """What is retrieved from the samples X (B, D)."""
        probes = self._probes(X)
        kind, separation = self.similarity, self.separation
        return self.memory_.recall(probes, self.beta, kind, separation, steps=self.steps).retrieved

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The label of the most similar pattern of each sample; its index without labels."""
        probes = self._probes(X)
        best = self.memory_.recall(probes, self.beta, similarity=self.similarity).best
        return np.asarray(self.classes_[self._labels[best]] if hasattr(self, "classes_") else best)

    def _probes(self, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self)
        probes = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.asarray(probes, dtype=self.memory_.dtype)

    def _check_parameters(self) -> None:
        if not isinstance(self.beta, Real) or not self.beta > 0:
            raise ValueError(f"beta: expected a finite number above 0, got {self.beta!r}")
        if not isinstance(self.steps, Integral) or self.steps < 1:
            raise ValueError(f"steps: expected at least 1, got {self.steps!r}")
