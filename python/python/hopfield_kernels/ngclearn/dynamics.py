"""The dynamics of the component, as calls of the kernels from JAX's compiled programs."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import _core

__all__ = ["Settings", "advance", "advance_resident", "delta", "evolve", "evolve_resident", "read"]

for _name in ("advance", "evolve", "advance_resident", "evolve_resident", "read_resident"):
    jax.ffi.register_ffi_target(f"hopfield_kernels_{_name}", _core.xla_handler(_name), "cpu")

#: Compartments that may be recorded, and their bits.
RECORDED = {"similarities": 1, "memory_weights": 2, "energy": 4, "dWeights": 8}
#: Update rules, as the handlers number them.
RULES = {"delta": 0, "contrastive": 1}
#: Bytes of a whole vector, which rows are padded to.
_WHOLE = 64


class Settings(NamedTuple):
    """What is fixed when a method is compiled."""

    shape: tuple[int, int]
    beta: float
    eta: float
    reg_lambda: float
    l1_lambda: float
    rule: int
    record: int

    def keeps(self, compartment: str) -> bool:
        """Whether a compartment is recorded."""
        return bool(self.record & RECORDED[compartment])

    def attributes(self, *names: str) -> dict[str, Any]:
        """Attributes of a call, beside β and what is recorded."""
        of = {name: np.float64(getattr(self, name)) for name in ("beta", *names)}
        return {**of, "record": np.int64(self.record)}


def padded(rows: Any) -> jax.Array:
    """Rows with zeros behind, to whole vectors."""
    more = -rows.shape[1] % (_WHOLE // rows.dtype.itemsize)
    found: jax.Array = jnp.pad(rows, ((0, 0), (0, more)))
    return found


def _struct(dtype: Any, *shape: int) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


def _probes(inputs: Any, dtype: Any, settings: Settings) -> jax.Array:
    probes: jax.Array = jnp.asarray(inputs, dtype)
    if probes.ndim != 2 or probes.shape[1] != settings.shape[0]:
        raise ValueError(f"inputs: expected shape (B, {settings.shape[0]}), got {probes.shape}")
    return probes


def _results(inputs: jax.Array, settings: Settings) -> list[Any]:
    """Outputs, and what is recorded of similarities, memory weights and energy."""
    (batch, dim), count, dtype = inputs.shape, settings.shape[1], inputs.dtype
    recorded = {
        "similarities": _struct(dtype, batch, count),
        "memory_weights": _struct(dtype, batch, count),
        "energy": _struct(dtype, 1, 1),
    }
    kept = [struct for name, struct in recorded.items() if settings.keeps(name)]
    return [_struct(dtype, batch, dim), *kept]


def _named(found: Any, settings: Settings) -> list[Any]:
    """Results with None for what is not recorded."""
    outputs, *rest = found
    names = ("similarities", "memory_weights", "energy")
    return [outputs, *[rest.pop(0) if settings.keeps(name) else None for name in names]]


def advance(
    inputs: Any, patterns: Any, squared_norms: Any, feature_norm: Any, settings: Settings
) -> list[Any]:
    """Outputs, similarities, memory weights and energy of padded patterns; None if not recorded."""
    inputs = _probes(inputs, patterns.dtype, settings)
    call = jax.ffi.ffi_call("hopfield_kernels_advance", _results(inputs, settings))
    found = call(inputs, patterns, squared_norms, feature_norm, **settings.attributes())
    return _named(found, settings)


def advance_resident(inputs: Any, token: Any, memory: int, settings: Settings, dtype: Any) -> Any:
    """The same of a resident memory, after a token."""
    inputs = _probes(inputs, dtype, settings)
    results = [_struct(jnp.int32), *_results(inputs, settings)]
    call = jax.ffi.ffi_call("hopfield_kernels_advance_resident", results)
    token, *found = call(inputs, token, memory=np.int64(memory), **settings.attributes())
    return [token, *_named(found, settings)]


def _recalled(
    inputs: Any, outputs: Any, memory_weights: Any, dtype: Any, settings: Settings
) -> tuple[list[Any], list[Any]]:
    """The operands that are learned from, and memory weights if they are recorded."""
    inputs, outputs = _probes(inputs, dtype, settings), jnp.asarray(outputs, dtype)
    if outputs.shape != inputs.shape:
        raise ValueError(f"outputs: expected shape {inputs.shape}, got {outputs.shape}")
    if not settings.keeps("memory_weights"):
        return [inputs, outputs], []
    weights, expected = jnp.asarray(memory_weights, dtype), (len(inputs), settings.shape[1])
    if weights.shape != expected:
        raise ValueError(f"memory_weights: expected shape {expected}, got {weights.shape}")
    return [inputs, outputs], [weights]


def _rates(settings: Settings) -> dict[str, Any]:
    names = ("eta", "reg_lambda", "l1_lambda")
    return {**settings.attributes(*names), "rule": np.int64(settings.rule)}


def _negative(batch: int, dtype: Any, settings: Settings) -> list[Any]:
    """The weights of the negative phase, if there is one and ΔW is recorded."""
    there = settings.rule == RULES["contrastive"] and settings.keeps("dWeights")
    return [_struct(dtype, batch, settings.shape[1])] if there else []


def evolve(
    recalled: tuple[Any, Any, Any],
    patterns: Any,
    squared_norms: Any,
    feature_norm: Any,
    settings: Settings,
) -> list[Any]:
    """Patterns, squared norms, feature norm, and weights of the negative phase or None."""
    dtype = patterns.dtype
    operands, weights = _recalled(*recalled, dtype, settings)
    keeps_energy = settings.keeps("energy")
    results = [_struct(dtype, *patterns.shape), _struct(dtype, *squared_norms.shape)]
    results += [_struct(dtype)] if keeps_energy else []
    results += _negative(len(operands[0]), dtype, settings)
    # What is given away is changed where it is.
    aliases = {2: 0, 3: 1}
    call = jax.ffi.ffi_call("hopfield_kernels_evolve", results, input_output_aliases=aliases)
    patterns, squared_norms, *rest = call(
        *operands, patterns, squared_norms, *weights, **_rates(settings)
    )
    feature_norm = rest.pop(0) if keeps_energy else feature_norm
    return [patterns, squared_norms, feature_norm, rest[0] if rest else None]


def evolve_resident(
    recalled: tuple[Any, Any, Any], token: Any, memory: int, settings: Settings, dtype: Any
) -> list[Any]:
    """A token, and weights of the negative phase or None."""
    operands, weights = _recalled(*recalled, dtype, settings)
    results = [_struct(jnp.int32), *_negative(len(operands[0]), dtype, settings)]
    call = jax.ffi.ffi_call("hopfield_kernels_evolve_resident", results)
    token, *rest = call(*operands, token, *weights, memory=np.int64(memory), **_rates(settings))
    return [token, rest[0] if rest else None]


def read(
    state: dict[str, Any], token: str, memory: int, shape: tuple[int, int], dtype: str
) -> jax.Array:
    """A copy of the weights (D, N) of a resident memory.

    The state has another token afterwards, so that no later update is moved to before this.
    """
    dim, count = shape
    results = [_struct(jnp.int32), _struct(jnp.dtype(dtype), count, dim)]
    call = jax.ffi.ffi_call("hopfield_kernels_read_resident", results)
    state[token], rows = call(state[token], memory=np.int64(memory))
    found: jax.Array = rows.T
    return found


def delta(inputs: Any, outputs: Any, weights: Any, negative: Any = None) -> jax.Array:
    """ΔW (D, N): Xᵀ P - X̂ᵀ P⁻, or (X - X̂)ᵀ P without a negative phase, over the batch."""
    if negative is None:
        change = (inputs - outputs).T @ weights
    else:
        change = inputs.T @ weights - outputs.T @ negative
    found: jax.Array = change * (1.0 / inputs.shape[0])
    return found
