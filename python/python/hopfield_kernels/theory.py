"""What is proved of modern Hopfield networks, as functions.

Theorems are those of Ramsauer et al. 2020 (Hopfield Networks is All You Need, arXiv 2008.02217)
unless another source is named. N patterns have the largest norm M*; β is the inverse temperature of
a softmax recall by dot products.
"""

from typing import Any

from numpy.typing import NDArray

from . import _core


def separations(memory: _core.Memory) -> NDArray[Any]:
    """Δ_i = m_i·m_i - max_{j≠i} m_i·m_j of every pattern (definition 2); inf for the only one.

    >>> import numpy as np, hopfield_kernels as hk
    >>> hk.theory.separations(hk.Memory(np.array([[2.0, 0.0], [1.0, 1.0]])))
    array([2., 0.])
    """
    return _core.separations(memory)


def radius(beta: float, patterns: int, max_norm: float) -> float:
    """The radius 1 / (β N M*) of the sphere around a pattern that recall maps into itself, if the
    pattern is well separated (theorem 4, appendix A)."""
    return _core.radius(beta, patterns, max_norm)


def needed_separation(beta: float, patterns: int, max_norm: float) -> float:
    """The separation from which on a pattern is well separated (theorem 4): recall then has one
    fixed point in the sphere of `radius` around it. 2/(β N) + ln(2 (N - 1) N β M*²) / β."""
    return _core.needed_separation(beta, patterns, max_norm)


def needed_beta(separation: float, patterns: int, max_norm: float) -> float | None:
    """The least β at which patterns of a least separation are all well separated (theorem 4); None
    where there is none.

    >>> import hopfield_kernels as hk
    >>> beta = hk.theory.needed_beta(0.5, 100, 1.0)
    >>> hk.theory.needed_separation(beta, 100, 1.0) <= 0.5
    True
    """
    return _core.needed_beta(separation, patterns, max_norm)


def retrieval_error(
    beta: float, patterns: int, max_norm: float, gap: float, distance: float
) -> float:
    """A bound on ‖T(x) - m_i‖ (theorem 5): 2 (N - 1) M* exp(-β (Δ_i - 2 δ M*)).

    `gap` is Δ_i, and `distance` is δ, the larger of the distances from m_i of the probe and of the
    fixed point.
    """
    return _core.retrieval_error(beta, patterns, max_norm, gap, distance)


def weight_bound(best_weight: float, max_norm: float) -> float:
    """A bound on the distance of what is retrieved from its best pattern: 2 M* (1 - p).

    For every separation whose weights sum to 1. `Recall.best_weight` has p.

    >>> import numpy as np, hopfield_kernels as hk
    >>> recall = hk.Memory(np.eye(2)).recall([0.9, 0.2], 8.0)
    >>> bound = hk.theory.weight_bound(float(recall.best_weight), 1.0)
    >>> bool(np.linalg.norm(recall.retrieved - [1.0, 0.0]) <= bound)
    True
    """
    return _core.weight_bound(best_weight, max_norm)


def gap_bound(beta: float, patterns: int, max_norm: float, gap: float) -> float:
    """The same from the gap s_1 - s_2 between the two largest similarities of the probe:
    2 M* (N - 1) exp(-β (s_1 - s_2)). `Recall.second` has s_2."""
    return _core.gap_bound(beta, patterns, max_norm, gap)


def contraction(beta: float, spread: float) -> float:
    """A bound on the norm of the Jacobian of an update, β tr Cov_p. `Recall.spread` has the trace.

    Below 1 a fixed point attracts; below 1 on a convex set that is mapped into itself, updates
    contract.
    """
    return _core.contraction(beta, spread)


def has_one_fixed_point(memory: _core.Memory, beta: float) -> bool:
    """Whether all probes end at one fixed point: β max_n ‖m_n - mean‖² < 1 (section 4)."""
    return _core.has_one_fixed_point(memory, beta)


def state_class(k90: int, patterns: int) -> str:
    """The class of a metastable state by the number of patterns that have 90% of the weight
    (section 4): "global", "large", "medium" or "small"."""
    return _core.state_class(k90, patterns)


def capacity_base(beta: float, k: float, dim: int, p: float) -> float:
    """c, where N >= √p c^((d - 1)/4) random patterns can be stored on a sphere of radius K √(d - 1),
    each retrieved with probability 1 - p (theorem 3).

    >>> import hopfield_kernels as hk
    >>> round(hk.theory.capacity_base(1.0, 3.0, 20, 0.001), 4)
    3.1546
    """
    return _core.capacity_base(beta, k, dim, p)


def capacity(beta: float, k: float, dim: int, p: float) -> float:
    """The number of patterns of `capacity_base` (theorem 3)."""
    return _core.capacity(beta, k, dim, p)
