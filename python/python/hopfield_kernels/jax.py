"""Recall for JAX: under `jit`, `vmap`, reverse-mode `grad` and `scan`.

On the CPU these are the kernels, as one operation of the compiled program, and so are the gradients
of a recall; on other platforms, and for second derivatives, they are the same in `jax.numpy`. So
are gradients of a softmax of dot products where XLA's products of matrices are faster.
Patterns (N, D), values (N, E); probes have any number of leading dimensions, which mask and bias
share unless they are (N,).

>>> import jax.numpy as jnp, hopfield_kernels as hk
>>> from hopfield_kernels.jax import retrieve
>>> retrieve(jnp.array([0.1, 0.8, 0.3]), jnp.eye(3), 64.0).round()
Array([0., 1., 0.], dtype=float32)
>>> retrieve(jnp.array([0.1, 0.8, 0.3]), jnp.eye(3), 64.0, separation=hk.Entmax(1.5))
Array([0., 1., 0.], dtype=float32)

The kernels read patterns and values where JAX has them, whatever their shapes. As their norms are
not known, results may differ from those of a `hopfield_kernels.Memory` by roundings. There are no
forward-mode derivatives.
"""

from __future__ import annotations

from typing import Any

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("hopfield_kernels.jax needs JAX: pip install jax") from error

if not hasattr(jax, "ffi"):
    raise ImportError(f"hopfield_kernels.jax needs JAX 0.5.3 or later, got {jax.__version__}")

from . import _jax_operations as operations
from ._jax_operations import BIAS, ENERGY, MASK, RETRIEVED, SIMILARITIES, VALUES
from .separations import Separation, named

__all__ = ["energy", "retrieve", "similarities", "update"]

_SIMILARITIES = ("dot", "cosine", "neg_half_squared_l2", "neg_l2", "neg_l1")
_RULES = ("delta", "contrastive", "energy")


def retrieve(
    probes: Any,
    patterns: Any,
    beta: Any,
    values: Any = None,
    mask: Any = None,
    bias: Any = None,
    *,
    similarity: str = "dot",
    separation: str | Separation = "softmax",
) -> jax.Array:
    """What one step of recall retrieves: an array of the shape of the probes, or (..., E).

    Parameters
    ----------
    probes, patterns : arrays (..., D) and (N, D)
    beta : scalar
        The inverse temperature, above 0.
    values : array (N, E), optional
        What is read out in place of the patterns.
    mask : array of bool (N,) or (..., N), optional
        True where a pattern takes part. Zeros are retrieved where none does.
    bias : array (N,) or (..., N), optional
        Added to the scores β s.
    similarity, separation
        As for `hopfield_kernels.Memory.recall`. A separation is compiled into the program.

    Raises
    ------
    ValueError
        For shapes that do not fit, and names that are unknown. What depends on the numbers, such as
        a β that is not above 0, is an error of the running program.

    >>> import jax.numpy as jnp
    >>> from hopfield_kernels.jax import retrieve
    >>> retrieve(jnp.array([0.4, 0.8]), jnp.eye(2), 8.0, similarity="neg_l1")
    Array([0., 1.], dtype=float32)
    """
    given = (values, mask, bias)
    return _apply(RETRIEVED, (probes, patterns, beta), given, (similarity, separation))


def energy(
    probes: Any,
    patterns: Any,
    beta: Any,
    mask: Any = None,
    bias: Any = None,
    *,
    similarity: str = "dot",
    separation: str | Separation = "softmax",
) -> jax.Array:
    """The energy of each probe: an array of the leading dimensions. Arguments as for `retrieve`.

    With a softmax of dot products it is that of Ramsauer et al. (2020, eq. 2).

    >>> import jax, jax.numpy as jnp
    >>> from hopfield_kernels.jax import energy
    >>> jax.grad(energy)(jnp.array([0.5, 0.5]), jnp.eye(2), 4.0)  # x - T(x)
    Array([0., 0.], dtype=float32)
    """
    given = (None, mask, bias)
    return _apply(ENERGY, (probes, patterns, beta), given, (similarity, separation))


def similarities(probes: Any, patterns: Any, similarity: str = "dot") -> jax.Array:
    """The similarity of every probe with every pattern (..., N): by default X Mᵀ."""
    none = (None, None, None)
    return _apply(SIMILARITIES, (probes, patterns, 1.0), none, (similarity, "softmax"))


def update(
    probes: Any,
    patterns: Any,
    beta: Any,
    *,
    rule: str = "delta",
    eta: Any = 1.0,
    reg_lambda: Any = 0.0,
    l1_lambda: Any = 0.0,
) -> jax.Array:
    """Patterns that have learned from one recall of the probes: M + η ΔM - λ M - λ₁ sign(M).

    The rules are those of `Memory.learn`: "delta", "contrastive" and "energy". Patterns that are
    donated to a compiled program learn where they are.

    >>> import jax.numpy as jnp
    >>> from hopfield_kernels.jax import update
    >>> update(jnp.array([0.5, 0.25]), jnp.eye(2), 256.0, eta=0.5)
    Array([[0.75 , 0.125],
           [0.   , 1.   ]], dtype=float32)
    """
    _choose("rule", rule, _RULES)
    of = jnp.result_type(probes, patterns)
    dtype = jnp.promote_types(of, jnp.float32)
    numbers = {"beta": beta, "eta": eta, "reg_lambda": reg_lambda, "l1_lambda": l1_lambda}
    operands = [jnp.asarray(operand, dtype) for operand in (probes, patterns, *numbers.values())]
    _check(operands[:3], 0)
    for name, operand in zip(numbers, operands[2:], strict=True):
        if operand.ndim != 0:
            raise ValueError(f"{name}: expected one number, got shape {operand.shape}")
    found: jax.Array = operations.learning(rule)(*operands)
    return found.astype(of) if of in (jnp.bfloat16, jnp.float16) else found


def _apply(
    output: int,
    arrays: tuple[Any, Any, Any],
    optional: tuple[Any, Any, Any],
    family: tuple[str, str | Separation],
) -> jax.Array:
    probes, patterns, beta = arrays
    values, mask, bias = optional
    similarity, separation = family
    _choose("similarity", similarity, _SIMILARITIES)
    of = jnp.result_type(probes, patterns, *([] if values is None else [values]))
    narrow = of in (jnp.bfloat16, jnp.float16)
    dtype = jnp.promote_types(of, jnp.float32) if of != jnp.float64 else jnp.dtype(jnp.float64)
    operands = [jnp.asarray(operand, dtype) for operand in (probes, patterns, beta)]
    operands += [] if values is None else [jnp.asarray(values, dtype)]
    operands += [] if mask is None else [_mask(mask)]
    operands += [] if bias is None else [jnp.asarray(bias, dtype)]
    bits = (VALUES, MASK, BIAS)
    there = sum(bit for bit, of in zip(bits, optional, strict=True) if of is not None)
    _check(operands, there)
    call = operations.Call(output, there, similarity, named(separation))
    found: jax.Array = operations.recall(call)(*operands)
    return found.astype(of) if narrow else found


def _choose(name: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise ValueError(f"{name}: expected {', '.join(known)}, got {found!r}")


def _mask(mask: Any) -> jax.Array:
    found = jnp.asarray(mask)
    if found.dtype != jnp.bool_:
        raise ValueError(f"mask: expected bool, got {found.dtype}")
    return found


def _check(operands: list[jax.Array], there: int) -> None:
    """Refuses shapes that do not fit, as in any program, whether or not the CPU runs it."""
    probes, patterns, beta, *others = operands
    expected: tuple[Any, ...]
    if patterns.ndim != 2:
        raise ValueError(f"patterns: expected 2 dimensions, got {patterns.ndim}")
    count, dim = patterns.shape
    if probes.ndim < 1 or probes.shape[-1] != dim:
        raise ValueError(f"probes: expected shape (..., {dim}), got {probes.shape}")
    if beta.ndim != 0:
        raise ValueError(f"beta: expected one number, got shape {beta.shape}")
    if there & VALUES:
        values = others.pop(0)
        if values.ndim != 2 or values.shape[0] != count:
            raise ValueError(f"values: expected shape ({count}, E), got {values.shape}")
    for name, bit in (("mask", MASK), ("bias", BIAS)):
        if there & bit:
            of, expected = others.pop(0), (*probes.shape[:-1], count)
            if of.shape not in ((count,), expected):
                raise ValueError(f"{name}: expected shape {expected}, got {of.shape}")
