"""Separations: how scores become memory weights.

Each is an argument of `Memory.recall`, and a function of rows of scores t (of any number of leading
dimensions) beside that: weights p = ∇G(t), their vector-Jacobian product, and the potential G(t).
Rows are computed in double precision. A score of -inf is a mask; a row that holds a NaN or +inf
becomes NaN; a row in which nothing takes part becomes zeros.

>>> from hopfield_kernels import Sparsemax
>>> Sparsemax()([1.0, 0.5, -3.0])
array([0.75, 0.25, 0.  ])
"""

import operator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core


@dataclass(frozen=True)
class Separation:
    """The base of all separations."""

    _name: ClassVar[str]

    @property
    def _key(self) -> tuple[str, float]:
        of = [float(getattr(self, field.name)) for field in fields(self)]
        return self._name, of[0] if of else 0.0

    def __call__(self, scores: ArrayLike) -> NDArray[Any]:
        """The weights of every row: the gradient of the potential."""
        rows, shape, double = _rows(scores)
        return np.asarray(_core.rows_weights(self._key, rows, double)).reshape(shape)

    def vjp(self, scores: ArrayLike, weights: ArrayLike, grad: ArrayLike) -> NDArray[Any]:
        """The gradient of a loss with respect to scores, from that with respect to their weights.

        `weights` are those of the scores, `self(scores)`. It is exactly 0 outside of the support.
        """
        rows, shape, double = _rows(scores)
        for operand, of in (("weights", weights), ("grad", grad)):
            if np.shape(of) != shape:
                raise ValueError(f"{operand}: expected shape {shape}, got {np.shape(of)}")
        gradient = np.asarray(grad, dtype=rows.dtype).reshape(rows.shape)
        return np.asarray(_core.rows_vjp(self._key, rows, gradient, double)).reshape(shape)

    def potential(self, scores: ArrayLike) -> Any:
        """G of every row: an array without the last dimension, a scalar for one row."""
        rows, shape, double = _rows(scores)
        potential = np.asarray(_core.rows_potential(self._key, rows, double))
        return potential.reshape(shape[:-1])[()]


def _rows(scores: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...], bool]:
    """Scores as a matrix, their own shape, and whether they are float64."""
    found = np.asarray(scores)
    if found.dtype != np.float32:
        if found.dtype.kind not in "fiub" or found.dtype.itemsize > 8:
            raise ValueError(f"scores: expected float32 or float64, got {found.dtype}")
        found = found.astype(np.float64, copy=False)
    if found.ndim == 0:
        raise ValueError("scores: expected at least 1 dimension, got 0")
    rows = found.reshape(-1, found.shape[-1]) if found.size else found.reshape(0, found.shape[-1])
    return rows, found.shape, found.dtype == np.float64


def _count(k: int) -> int:
    try:
        return operator.index(k)
    except TypeError:
        raise ValueError(f"k: expected an integer, got {k!r}") from None


@dataclass(frozen=True)
class Softmax(Separation):
    """exp(t) / Σ exp(t). G is the log-sum-exp."""

    _name = "softmax"


@dataclass(frozen=True)
class SoftmaxPlus(Separation):
    """exp(t) / (c + Σ exp(t)): softmax beside a pattern of zeros of weight c."""

    _name = "softmax_plus"
    c: float


@dataclass(frozen=True)
class Sparsemax(Separation):
    """[t - τ]₊, of sum 1: the projection onto the simplex (Martins & Astudillo 2016)."""

    _name = "sparsemax"


@dataclass(frozen=True)
class Entmax(Separation):
    """[(α - 1) t - τ]₊^(1/(α - 1)), of sum 1 (Peters et al. 2019): 1 is softmax, 2 sparsemax."""

    _name = "entmax"
    alpha: float


@dataclass(frozen=True)
class Normmax(Separation):
    """[t - τ]₊^(1/(α - 1)), normalised (Santos et al. 2024)."""

    _name = "normmax"
    alpha: float


@dataclass(frozen=True)
class KSubsets(Separation):
    """clip(t - τ, 0, 1), of sum k, which need not be an integer (Santos et al. 2024)."""

    _name = "k_subsets"
    k: float


@dataclass(frozen=True)
class TopK(Separation):
    """Softmax over the k highest scores, the first of equals."""

    _name = "top_k"
    k: int

    def __post_init__(self) -> None:
        _count(self.k)


@dataclass(frozen=True)
class HardTopK(Separation):
    """1/k for the k highest scores, the first of equals."""

    _name = "hard_top_k"
    k: int

    def __post_init__(self) -> None:
        _count(self.k)


@dataclass(frozen=True)
class Max(Separation):
    """1 for the highest score, the first of equals."""

    _name = "max"


@dataclass(frozen=True)
class Polynomial(Separation):
    """n [t]₊^(n - 1), not normalised (Krotov & Hopfield 2016)."""

    _name = "polynomial"
    n: float


@dataclass(frozen=True)
class Power(Separation):
    """sign(t) |t|^p, not normalised (Hintzman 1984: p = 3)."""

    _name = "power"
    p: float


@dataclass(frozen=True)
class Epanechnikov(Separation):
    """k [1 + t]₊^(k - 1), normalised (Hoover et al. 2025). G is ln Σ [1 + t]₊^k."""

    _name = "epanechnikov"
    k: float = 1.0


_BY_NAME = {of._name: of._key for of in (Softmax(), Sparsemax(), Max())}


def named(separation: "str | Separation") -> tuple[str, float]:
    """The name and the parameter of a separation."""
    if isinstance(separation, Separation):
        return separation._key
    if isinstance(separation, str) and separation in _BY_NAME:
        return _BY_NAME[separation]
    known = ", ".join(_BY_NAME)
    raise ValueError(
        f"separation: expected one of {known} or a separation object, got {separation!r}"
    )
