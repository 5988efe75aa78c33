"""Recall and its gradients as operations of JAX: kernels on the CPU, jax.numpy elsewhere.

Every operation is under `vmap` what its `batch` says, and has reverse gradients. Those of a recall
are an operation as well, those of that one are jax.numpy's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from . import _core
from . import _jax_reference as reference

__all__ = [
    "BIAS",
    "ENERGY",
    "MASK",
    "RETRIEVED",
    "SIMILARITIES",
    "VALUES",
    "Call",
    "learning",
    "recall",
]

#: Outputs, and bits of the optional operands, as the handlers number them.
RETRIEVED, ENERGY, SIMILARITIES = range(3)
VALUES, MASK, BIAS = 1, 2, 4
#: Bits of the operands that have gradients, by their places in `Call.named`.
_WANTED = {0: 1, 1: 2, 2: 4, 3: 8, 5: 16}
_PROBES = 1
#: Similarities that gradients may hold at once.
_FEW = 1 << 24

for _name in ("recall", "backward", "update"):
    jax.ffi.register_ffi_target(
        f"hopfield_kernels_{_name}", _core.xla_handler(_name), platform="cpu"
    )


@dataclass(frozen=True)
class Call:
    """What a recall computes from its operands, which are arrays."""

    #: RETRIEVED, ENERGY or SIMILARITIES.
    output: int
    #: Which of the optional operands there are: the sum of their bits.
    there: int
    similarity: str
    #: The separation's name, and its parameter or 0.
    separation: tuple[str, float]

    def named(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """Probes, patterns, β, values, mask and bias, None where one is missing."""
        first, rest = operands[:3], iter(operands[3:])
        return *first, *[next(rest) if self.there & bit else None for bit in (VALUES, MASK, BIAS)]

    def attributes(self) -> dict[str, Any]:
        """The same for the handlers."""
        name, parameter = self.separation
        return {
            "output": np.int64(self.output),
            "operands": np.int64(self.there),
            "similarity": self.similarity,
            "separation": name,
            "parameter": np.float64(parameter),
        }


def _like(array: Any, shape: tuple[int, ...] | None = None) -> jax.ShapeDtypeStruct:
    of = array.shape if shape is None else shape
    return jax.ShapeDtypeStruct(of, array.dtype)  # type: ignore[no-untyped-call]


def _kernel(call: Call, *operands: Any) -> Any:
    probes, patterns, _, values, _, _ = call.named(operands)
    lead = probes.shape[:-1]
    if call.output == ENERGY:
        shape = lead
    elif call.output == SIMILARITIES:
        shape = (*lead, patterns.shape[0])
    else:
        shape = (*lead, (patterns if values is None else values).shape[1])
    run = jax.ffi.ffi_call("hopfield_kernels_recall", _like(probes, shape))
    return run(*operands, **call.attributes())


def _reference(call: Call, *operands: Any) -> Any:
    """The same in jax.numpy."""
    probes, patterns, beta, values, mask, bias = call.named(operands)
    of = (probes, patterns, beta, mask, bias)
    if call.output == SIMILARITIES:
        return reference.similarities(call.similarity, probes, patterns)
    if call.output == ENERGY:
        return reference.energy(call.similarity, call.separation, of)
    return reference.retrieve(call.similarity, call.separation, of, values)


def _gradients_kernel(call: Call, wanted: int, *operands: Any) -> Any:
    """The gradients of the operands that are wanted, from that of the result, which comes first."""
    named = call.named(operands[1:])
    if _are_products(call, *named[:2]):
        return _gradients_reference(call, wanted, *operands)
    results = [_like(named[place]) for place, bit in _WANTED.items() if wanted & bit]
    run = jax.ffi.ffi_call("hopfield_kernels_backward", results)
    return tuple(run(*operands, wanted=np.int64(wanted), **call.attributes()))


def _are_products(call: Call, probes: Any, patterns: Any) -> bool:
    """Whether XLA's products of matrices are faster than the kernel, which holds no similarities.

    They are for a softmax of dot products of several probes, which has weights for all patterns.
    """
    batch = int(np.prod(probes.shape[:-1]))
    few = batch * patterns.shape[0] <= _FEW
    return few and batch >= 8 and (call.similarity, call.separation[0]) == ("dot", "softmax")


def _gradients_reference(call: Call, wanted: int, gradient: Any, *operands: Any) -> Any:
    """The same in jax.numpy."""
    _, pull = jax.vjp(functools.partial(_reference, call), *operands)
    named = call.named(pull(gradient))
    return tuple(named[place] for place, bit in _WANTED.items() if wanted & bit)


def _update_kernel(rule: str, *operands: Any) -> Any:
    number = ("delta", "contrastive", "energy").index(rule)
    run = jax.ffi.ffi_call(
        "hopfield_kernels_update", _like(operands[1]), input_output_aliases={1: 0}
    )
    return run(*operands, rule=np.int64(number))


@functools.cache
def learning(rule: str) -> Any:
    """The operation of `hopfield_kernels.jax.update` for one rule."""
    kernel = functools.partial(_update_kernel, rule)
    return _differentiable(kernel, lambda *operands: reference.learned(rule, operands), _map)


@functools.cache
def recall(call: Call) -> Any:
    """The operation for one output and one choice of optional operands."""

    def batch(batched: Any, size: int, mapped: Any, operands: Any) -> tuple[Any, bool]:
        if any(call.named(mapped)[1:4]):
            return _map(batched, size, mapped, operands)
        return batched(*_fold(call, size, mapped, operands)), True

    kernel, of = functools.partial(_kernel, call), functools.partial(_reference, call)
    pull = None if call.output == SIMILARITIES else functools.partial(_pull, call)
    return _differentiable(kernel, of, batch, pull)


def _pull(call: Call, perturbed: Sequence[bool], gradient: Any, operands: Any) -> tuple[Any, ...]:
    """The gradients of the perturbed operands of a recall; None for the others."""
    named = call.named(perturbed)
    wanted = sum(bit for place, bit in _WANTED.items() if named[place])
    if wanted == 0:
        return (None,) * len(operands)
    found = iter(_gradients(call, wanted)(gradient, *operands))
    of = [next(found) if _WANTED.get(place, 0) & wanted else None for place in range(len(named))]
    there = [True, True, True, *[call.there & bit for bit in (VALUES, MASK, BIAS)]]
    return tuple(gradient for gradient, is_there in zip(of, there, strict=True) if is_there)


@functools.cache
def _gradients(call: Call, wanted: int) -> Any:
    """The operation for the gradients of a recall that are wanted."""

    def batch(batched: Any, size: int, mapped: Any, operands: Any) -> tuple[Any, Any]:
        # Other gradients than that of the probes are sums over the probes of each element.
        if wanted != _PROBES or any(call.named(mapped[1:])[1:4]):
            found, _ = _map(batched, size, mapped, operands)
        else:
            gradient = _spread(size, mapped[0], operands[0])
            found = batched(gradient, *_fold(call, size, mapped[1:], operands[1:]))
        return found, (True,) * len(found)

    kernel = functools.partial(_gradients_kernel, call, wanted)
    return _differentiable(kernel, functools.partial(_gradients_reference, call, wanted), batch)


def _differentiable(
    kernel: Callable[..., Any],
    default: Callable[..., Any],
    batch: Callable[..., tuple[Any, Any]],
    pull: Callable[..., tuple[Any, ...]] | None = None,
) -> Any:
    """The kernel on the CPU, and `default` elsewhere; under vmap, `batch`.

    Its gradients are what `pull` finds for the operands that are perturbed, or else those of
    `default`.
    """

    @jax.custom_batching.custom_vmap
    def batched(*operands: Any) -> Any:
        return jax.lax.platform_dependent(*operands, cpu=kernel, default=default)

    @batched.def_vmap
    def _(size: int, mapped: Any, *operands: Any) -> tuple[Any, Any]:
        return batch(batched, size, mapped, operands)

    @jax.custom_vjp
    def operation(*operands: Any) -> Any:
        return batched(*operands)

    def forward(*operands: Any) -> tuple[Any, Any]:
        values = tuple(operand.value for operand in operands)
        perturbed = tuple(operand.perturbed for operand in operands)
        # Not `batched`, which has no gradients: these are gradients of a gradient.
        return operation(*values), (values, _Static(perturbed))

    def backward(kept: Any, gradient: Any) -> tuple[Any, ...]:
        operands, perturbed = kept
        gradient = jax.tree.map(_filled, gradient, is_leaf=_is_zero)
        if pull is None:
            return tuple(jax.vjp(default, *operands)[1](gradient))
        return pull(perturbed.of, gradient, operands)

    operation.defvjp(forward, backward, symbolic_zeros=True)
    return operation


@jax.tree_util.register_static
@dataclass(frozen=True)
class _Static:
    """What a program is compiled for, among its arrays."""

    of: tuple[bool, ...]


def _is_zero(gradient: Any) -> bool:
    return isinstance(gradient, SymbolicZero)


def _filled(gradient: Any) -> Any:
    return jnp.zeros(gradient.shape, gradient.dtype) if _is_zero(gradient) else gradient


def _map(batched: Any, size: int, mapped: Any, operands: Any) -> tuple[Any, bool]:
    """A call for each element of an axis."""
    every = [_spread(size, *pair) for pair in zip(mapped, operands, strict=True)]
    return jax.lax.map(lambda of: batched(*of), tuple(every)), True


def _spread(size: int, mapped: bool, operand: Any) -> Any:
    return operand if mapped else jnp.broadcast_to(operand, (size, *operand.shape))


def _fold(call: Call, size: int, mapped: Any, operands: Any) -> list[Any]:
    """Operands of one call, where the axis that is mapped is a leading dimension of the probes."""
    probes = _spread(size, mapped[0], operands[0])
    lead, folded = probes.shape[:-1], [probes, *operands[1:]]
    for index in range(3 + (call.there & VALUES), len(operands)):
        operand = operands[index]
        if not mapped[index] and operand.ndim == 1:
            continue
        operand = _spread(size, mapped[index], operand)
        # One row for all probes of an element of the axis.
        between = (1,) * (len(lead) + 1 - operand.ndim)
        operand = operand.reshape(operand.shape[0], *between, *operand.shape[1:])
        folded[index] = jnp.broadcast_to(operand, (*lead, operand.shape[-1]))
    return folded
