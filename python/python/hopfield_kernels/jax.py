"""Recall for JAX: under `jit`, `vmap`, reverse-mode `grad` and `scan`.

On the CPU these are the kernels, as one operation of the compiled program; on other platforms, and
for gradients, the same in `jax.numpy`. Patterns (N, D), values (N, E); probes have any number of
leading dimensions, which mask and bias share unless they are (N,).

>>> import jax.numpy as jnp
>>> from hopfield_kernels.jax import retrieve
>>> retrieve(jnp.array([0.1, 0.8, 0.3]), jnp.eye(3), 64.0).round()
Array([0., 1., 0.], dtype=float32)

The kernels read patterns where they are if a row is whole vectors (a multiple of 16 elements of
float32, or of 8 of float64) and there are no values; otherwise they copy them at each call.
Gradients hold all similarities at once. There are no forward-mode derivatives.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("hopfield_kernels.jax needs JAX: pip install jax") from error

from . import _core

__all__ = ["energy", "retrieve", "similarities", "update"]

if not hasattr(jax, "ffi"):
    raise ImportError(f"hopfield_kernels.jax needs JAX 0.5.3 or later, got {jax.__version__}")
_TARGET, _UPDATE = "hopfield_kernels_recall", "hopfield_kernels_update"
jax.ffi.register_ffi_target(_TARGET, _core.xla_handler("recall"), platform="cpu")
jax.ffi.register_ffi_target(_UPDATE, _core.xla_handler("update"), platform="cpu")

#: Outputs, and bits of the optional operands, as the handler numbers them.
_RETRIEVED, _ENERGY, _SIMILARITIES = range(3)
_VALUES, _MASK, _BIAS = 1, 2, 4
#: Learning rules, as the handler numbers them.
_RULES = ("delta", "contrastive", "energy")


def retrieve(
    probes: Any, patterns: Any, beta: Any, values: Any = None, mask: Any = None, bias: Any = None
) -> jax.Array:
    """softmax(β X Mᵀ + bias) V over the patterns that the mask (bool) lets take part.

    Without values, V is M. Zeros where nothing takes part.
    """
    return _apply(_RETRIEVED, probes, patterns, beta, (values, mask, bias))


def energy(probes: Any, patterns: Any, beta: Any, mask: Any = None, bias: Any = None) -> jax.Array:
    """The energy of each probe (Ramsauer et al. 2020, eq. 2): an array of the leading dimensions."""
    return _apply(_ENERGY, probes, patterns, beta, (None, mask, bias))


def similarities(probes: Any, patterns: Any) -> jax.Array:
    """X Mᵀ."""
    return _apply(_SIMILARITIES, probes, patterns, 1.0, (None, None, None))


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
    if rule not in _RULES:
        raise ValueError(f"rule: expected {', '.join(_RULES)}, got {rule!r}")
    of = jnp.result_type(probes, patterns)
    dtype = jnp.promote_types(of, jnp.float32)
    numbers = {"beta": beta, "eta": eta, "reg_lambda": reg_lambda, "l1_lambda": l1_lambda}
    operands = [jnp.asarray(operand, dtype) for operand in (probes, patterns, *numbers.values())]
    _check(operands[:3], 0)
    for name, operand in zip(numbers, operands[2:], strict=True):
        if operand.ndim != 0:
            raise ValueError(f"{name}: expected one number, got shape {operand.shape}")
    found: jax.Array = _learning(_RULES.index(rule))(*operands)
    return found.astype(of) if of in (jnp.bfloat16, jnp.float16) else found


def _apply(
    output: int, probes: Any, patterns: Any, beta: Any, optional: tuple[Any, Any, Any]
) -> jax.Array:
    values, mask, bias = optional
    of = jnp.result_type(probes, patterns, *([] if values is None else [values]))
    narrow = of in (jnp.bfloat16, jnp.float16)
    dtype = jnp.promote_types(of, jnp.float32) if of != jnp.float64 else jnp.dtype(jnp.float64)
    operands = [jnp.asarray(operand, dtype) for operand in (probes, patterns, beta)]
    operands += [] if values is None else [jnp.asarray(values, dtype)]
    operands += [] if mask is None else [_mask(mask)]
    operands += [] if bias is None else [jnp.asarray(bias, dtype)]
    bits = (_VALUES, _MASK, _BIAS)
    there = sum(bit for bit, of in zip(bits, optional, strict=True) if of is not None)
    _check(operands, there)
    found: jax.Array = _operation(output, there)(*operands)
    return found.astype(of) if narrow else found


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
    if there & _VALUES:
        values = others.pop(0)
        if values.ndim != 2 or values.shape[0] != count:
            raise ValueError(f"values: expected shape ({count}, E), got {values.shape}")
    for name, bit in (("mask", _MASK), ("bias", _BIAS)):
        if there & bit:
            of, expected = others.pop(0), (*probes.shape[:-1], count)
            if of.shape not in ((count,), expected):
                raise ValueError(f"{name}: expected shape {expected}, got {of.shape}")


def _named(there: int, operands: Any) -> tuple[Any, ...]:
    """Probes, patterns, β, values, mask and bias, None where one is missing."""
    first, rest = operands[:3], iter(operands[3:])
    return *first, *[next(rest) if there & bit else None for bit in (_VALUES, _MASK, _BIAS)]


def _kernel(output: int, there: int, *operands: Any) -> Any:
    probes, patterns, _, values, _, _ = _named(there, operands)
    lead = probes.shape[:-1]
    if output == _ENERGY:
        shape = lead
    elif output == _SIMILARITIES:
        shape = (*lead, patterns.shape[0])
    else:
        shape = (*lead, (patterns if values is None else values).shape[1])
    result = jax.ShapeDtypeStruct(shape, probes.dtype)  # type: ignore[no-untyped-call]
    call = jax.ffi.ffi_call(_TARGET, result)
    return call(*operands, output=np.int64(output), operands=np.int64(there))


def _reference(output: int, there: int, *operands: Any) -> Any:
    """The same in jax.numpy."""
    probes, patterns, beta, values, mask, bias = _named(there, operands)
    scores = probes @ patterns.T
    if output == _SIMILARITIES:
        return scores
    theta = beta * scores if bias is None else beta * scores + bias
    theta = theta if mask is None else jnp.where(mask, theta, -jnp.inf)
    part = theta != -jnp.inf
    some = part.any(-1, keepdims=True)
    if output == _RETRIEVED:
        # Neither a score nor a weight of NaN where nothing takes part.
        weights = jax.nn.softmax(jnp.where(some, theta, 0.0), -1)
        weights = jnp.where(some, weights, 0.0)
        return weights @ (patterns if values is None else values)
    lse = jax.nn.logsumexp(theta, -1)
    norms = jnp.where(part, jnp.square(patterns).sum(-1), 0.0).max(-1)
    count = jnp.log(jnp.maximum(part.sum(-1), 1))
    return (count - lse) / beta + 0.5 * (jnp.square(probes).sum(-1) + norms)


def _update_kernel(rule: int, *operands: Any) -> Any:
    patterns = operands[1]
    result = jax.ShapeDtypeStruct(patterns.shape, patterns.dtype)  # type: ignore[no-untyped-call]
    call = jax.ffi.ffi_call(_UPDATE, result, input_output_aliases={1: 0})
    return call(*operands, rule=np.int64(rule))


def _update_reference(rule: int, *operands: Any) -> Any:
    """The same in jax.numpy."""
    probes, patterns, beta, eta, reg_lambda, l1_lambda = operands
    probes = probes.reshape(-1, patterns.shape[1])
    if len(probes) == 0:
        return patterns
    weights = jax.nn.softmax(beta * probes @ patterns.T, -1)
    retrieved = weights @ patterns
    change = weights.T @ (probes if rule else probes - retrieved)
    if _RULES[rule] == "contrastive":
        change -= jax.nn.softmax(beta * retrieved @ patterns.T, -1).T @ retrieved
    decay = reg_lambda * patterns + l1_lambda * jnp.sign(patterns)
    return patterns + eta / len(probes) * change - decay


def _map(batched: Any, size: int, mapped: Any, operands: Any) -> tuple[Any, bool]:
    """A call for each element of an axis."""
    every = [_spread(size, *pair) for pair in zip(mapped, operands, strict=True)]
    return jax.lax.map(lambda of: batched(*of), tuple(every)), True


@functools.cache
def _learning(rule: int) -> Any:
    """The operation for one rule."""
    kernel = functools.partial(_update_kernel, rule)
    reference = functools.partial(_update_reference, rule)
    return _differentiable(kernel, reference, _map)


@functools.cache
def _operation(output: int, there: int) -> Any:
    """The operation for one output and one choice of optional operands."""

    def batch(batched: Any, size: int, mapped: Any, operands: Any) -> tuple[Any, bool]:
        if any(_named(there, mapped)[1:4]):
            return _map(batched, size, mapped, operands)
        return batched(*_fold(there, size, mapped, operands)), True

    kernel = functools.partial(_kernel, output, there)
    return _differentiable(kernel, functools.partial(_reference, output, there), batch)


def _differentiable(kernel: Any, reference: Any, batch: Any) -> Any:
    """The kernel on the CPU, the reference elsewhere and for gradients; under vmap, `batch`."""

    @jax.custom_batching.custom_vmap
    def batched(*operands: Any) -> Any:
        return jax.lax.platform_dependent(*operands, cpu=kernel, default=reference)

    @batched.def_vmap
    def _(size: int, mapped: Any, *operands: Any) -> tuple[Any, bool]:
        found: tuple[Any, bool] = batch(batched, size, mapped, operands)
        return found

    @jax.custom_vjp
    def operation(*operands: Any) -> Any:
        return batched(*operands)

    def forward(*operands: Any) -> tuple[Any, Any]:
        return batched(*operands), operands

    def backward(operands: Any, gradient: Any) -> Any:
        _, pull = jax.vjp(reference, *operands)
        return pull(gradient)

    operation.defvjp(forward, backward)
    return operation


def _spread(size: int, mapped: bool, operand: Any) -> Any:
    return operand if mapped else jnp.broadcast_to(operand, (size, *operand.shape))


def _fold(there: int, size: int, mapped: Any, operands: Any) -> list[Any]:
    """Operands of one call, where the axis that is mapped is a leading dimension of the probes."""
    probes = _spread(size, mapped[0], operands[0])
    lead, folded = probes.shape[:-1], [probes, *operands[1:]]
    for index in range(3 + (there & _VALUES), len(operands)):
        operand = operands[index]
        if not mapped[index] and operand.ndim == 1:
            continue
        operand = _spread(size, mapped[index], operand)
        # One row for all probes of an element of the axis.
        between = (1,) * (len(lead) + 1 - operand.ndim)
        operand = operand.reshape(operand.shape[0], *between, *operand.shape[1:])
        folded[index] = jnp.broadcast_to(operand, (*lead, operand.shape[-1]))
    return folded
