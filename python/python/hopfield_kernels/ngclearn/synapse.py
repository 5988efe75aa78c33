"""The component."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ngclearn import Compartment, compilable
from ngclearn.components.synapses.competitive.hopfieldSynapse import (
    HopfieldSynapse as _Reference,
)

from .._memory import Memory
from .dynamics import (
    RECORDED,
    RULES,
    Settings,
    advance as hopfield_advance,
    advance_resident as hopfield_advance_resident,
    delta,
    evolve as hopfield_evolve,
    evolve_resident as hopfield_evolve_resident,
    padded,
    read,
)
from .virtual import Owned, Virtual, call, key

__all__ = ["HopfieldSynapse"]

_DYNAMICS = f"{__package__}.dynamics"


class HopfieldSynapse(_Reference):  # type: ignore[misc]
    """ngc-learn's `HopfieldSynapse`, whose dynamics are these kernels.

    Parameters
    ----------
    name, shape, eta, ... : as for ngc-learn's component.
    memory : str
        "state": the patterns are part of ngc-learn's global state, one a row, and everything that
        works with ngc-learn's component works with this one. It is fast under the processes of
        `hopfield_kernels.ngclearn`; ngc-learn's own copy the patterns at every run.
        "resident": the patterns stay in the memory of the kernels, and the state holds a token in
        their place. It is fast under ngc-learn's processes too. A resident memory has one state:
        after `evolve`, a state from before is refused, such as that of a `run(update=False)`.
    record : names of compartments, optional
        Which of "similarities", "memory_weights", "energy" and "dWeights" are kept: all by default.
        The others hold zeros. Without memory weights, `evolve` computes them once more from the
        inputs and from the weights as they are then.

    `weights` (D, N) and `dWeights` are read from the patterns and from what was learned last, and
    cost something only when they are read. The component runs on the CPU, in float32 or float64.
    """

    def __init__(
        self,
        name: str,
        *args: Any,
        memory: str = "state",
        record: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, *args, **kwargs)
        if memory not in ("state", "resident"):
            raise ValueError(f'memory: expected "state" or "resident", got {memory!r}')
        self._record = _bits(record)
        weights = jnp.asarray(self.weights.get())
        if weights.dtype not in (jnp.float32, jnp.float64):
            raise ValueError(f"weights: expected float32 or float64, got {weights.dtype}")
        self._dtype = weights.dtype.name
        self._stored: tuple[int, int] = (weights.shape[0], weights.shape[1])
        self._add_memory(weights, memory == "resident")
        self._add_batch()
        self._add_delta()

    def _add_memory(self, weights: jax.Array, resident: bool) -> None:
        rows = np.ascontiguousarray(np.asarray(weights).T)
        self._resident = Memory(rows) if resident else None
        if self._resident is not None:
            self._number = self._resident.share()
            self.token = Compartment(jnp.zeros((), jnp.int32), auto_save=False)
            write, code = self._write_resident, self._code_of_resident
        else:
            self.patterns = Owned(None, auto_save=False)
            self.squared_norms = Owned(None, auto_save=False)
            self.feature_norm = Compartment(None, auto_save=False)
            write, code = self._write_rows, self._code_of_rows
            write(weights)
        self.weights = Virtual(self._read_weights, write, code)

    def _add_batch(self) -> None:
        (dim, count), batch = self._stored, self.batch_size
        self.inputs = Compartment(jnp.zeros((batch, dim), self._dtype))
        self.outputs = Compartment(jnp.zeros((batch, dim), self._dtype))
        # Of the shapes that the dynamics give them, so that a scan can carry them.
        self.similarities = Compartment(jnp.zeros((batch, count), self._dtype))
        self.memory_weights = Compartment(jnp.zeros((batch, count), self._dtype))
        self.energy = Compartment(jnp.zeros((1, 1), self._dtype), display_name="Energy")

    def _add_delta(self) -> None:
        """`dWeights`, and what it is computed from: references to what the last update used."""
        self._set_delta: tuple[int, Any] | None = None
        learned = []
        if self.settings.keeps("dWeights"):
            zeros = lambda like: Compartment(jnp.zeros_like(like.get()), auto_save=False)
            self.evolutions = Compartment(jnp.zeros((), jnp.int32), auto_save=False)
            self.learned_inputs, self.learned_outputs = zeros(self.inputs), zeros(self.outputs)
            self.learned_weights = zeros(self.memory_weights)
            learned = [self.learned_inputs, self.learned_outputs, self.learned_weights]
            if self.rule_fx == 1:
                self.learned_negative = zeros(self.memory_weights)
                learned.append(self.learned_negative)
        self._learned = learned
        self.dWeights = Virtual(self._read_delta, self._write_delta, self._code_of_delta)

    @property
    def settings(self) -> Settings:
        """What the methods are compiled with."""
        rule = RULES["contrastive" if self.rule_fx == 1 else "delta"]
        return Settings(
            self._stored,
            float(self.beta),
            float(self.eta),
            float(self.reg_lambda),
            float(self.l1_lambda),
            rule,
            self._record,
        )

    def _expect_shape(self, name: str, value: Any) -> jax.Array:
        array = jnp.asarray(value, self._dtype)
        if array.shape != self._stored:
            raise ValueError(f"{name}: expected shape {self._stored}, got {array.shape}")
        return array

    def _read_weights(self) -> jax.Array:
        if self._resident is None:
            weights: jax.Array = self.patterns.get()[:, : self._stored[0]].T
            return weights
        # What has been dispatched is to be done.
        jax.block_until_ready(self.token.get())
        return jnp.asarray(self._resident.patterns.T)

    def _write_rows(self, value: Any) -> None:
        weights = self._expect_shape("weights", value)
        stored = Memory(np.ascontiguousarray(np.asarray(weights).T))
        self.patterns.set(padded(weights.T))
        self.squared_norms.set(jnp.array(stored.squared_norms()))
        self.feature_norm.set(jnp.array(stored.feature_norm(), self._dtype))

    def _write_resident(self, value: Any) -> None:
        weights = self._expect_shape("weights", value)
        assert self._resident is not None
        jax.block_until_ready(self.token.get())
        self._resident.set_patterns(np.ascontiguousarray(np.asarray(weights).T))
        self.token.set(jnp.int32(self._resident.version))

    def _code_of_rows(self, context: str) -> ast.expr:
        rows = ast.unparse(key(self.patterns, context))
        return ast.parse(f"{rows}[:, :{self._stored[0]}].T", mode="eval").body

    def _code_of_resident(self, context: str) -> ast.expr:
        constants = (self.token.root, self._number, self._stored, self._dtype)
        arguments = [ast.parse(repr(of), mode="eval").body for of in constants]
        return call(_DYNAMICS, "read", [ast.Name(context, ctx=ast.Load()), *arguments])

    def _read_delta(self) -> jax.Array:
        if not self._learned:
            return jnp.zeros(self._stored, self._dtype)
        if self._set_delta is not None and self._set_delta[0] == int(self.evolutions.get()):
            found: jax.Array = self._set_delta[1]
            return found
        return delta(*[of.get() for of in self._learned])

    def _write_delta(self, value: Any) -> None:
        if self._learned:
            array = self._expect_shape("dWeights", value)
            self._set_delta = (int(self.evolutions.get()), array)

    def _code_of_delta(self, context: str) -> ast.expr:
        if not self._learned:
            return ast.parse(f"0.0 * {ast.unparse(self.weights._code(context))}", mode="eval").body
        return call(_DYNAMICS, "delta", [key(of, context) for of in self._learned])

    # The methods below are parsed and rewritten by ngcsimlib: compartments are read, one function
    # of this module is called, and compartments are set.

    @compilable  # type: ignore[untyped-decorator]
    def advance_state(self) -> None:
        if self._resident is None:
            outputs, similarities, memory_weights, energy = hopfield_advance(
                self.inputs.get(),
                self.patterns.get(),
                self.squared_norms.get(),
                self.feature_norm.get(),
                self.settings,
            )
        else:
            token, outputs, similarities, memory_weights, energy = hopfield_advance_resident(
                self.inputs.get(), self.token.get(), self._number, self.settings, self._dtype
            )
            self.token.set(token)
        self.outputs.set(outputs)
        if self.settings.keeps("similarities"):
            self.similarities.set(similarities)
        if self.settings.keeps("memory_weights"):
            self.memory_weights.set(memory_weights)
        if self.settings.keeps("energy"):
            self.energy.set(energy)
        self.i_tick.set(self.i_tick.get() + 1.0)

    @compilable  # type: ignore[untyped-decorator]
    def evolve(self, t: float, dt: float) -> None:
        if self._resident is None:
            patterns, squared_norms, feature_norm, negative = hopfield_evolve(
                (self.inputs.get(), self.outputs.get(), self.memory_weights.get()),
                self.patterns.get(),
                self.squared_norms.get(),
                self.feature_norm.get(),
                self.settings,
            )
            self.patterns.set(patterns)
            self.squared_norms.set(squared_norms)
            self.feature_norm.set(feature_norm)
        else:
            token, negative = hopfield_evolve_resident(
                (self.inputs.get(), self.outputs.get(), self.memory_weights.get()),
                self.token.get(),
                self._number,
                self.settings,
                self._dtype,
            )
            self.token.set(token)
        if self.settings.keeps("dWeights"):
            self.learned_inputs.set(self.inputs.get())
            self.learned_outputs.set(self.outputs.get())
            self.learned_weights.set(self.memory_weights.get())
            if self.rule_fx == 1:
                self.learned_negative.set(negative)
            self.evolutions.set(self.evolutions.get() + 1)

    @compilable  # type: ignore[untyped-decorator]
    def reset(self) -> None:
        if not self.inputs.targeted:
            self.inputs.set(jnp.zeros((self.batch_size, self._stored[0]), self._dtype))
        self.outputs.set(jnp.zeros((self.batch_size, self._stored[0]), self._dtype))
        self.similarities.set(jnp.zeros((self.batch_size, self._stored[1]), self._dtype))
        self.memory_weights.set(jnp.zeros((self.batch_size, self._stored[1]), self._dtype))
        self.energy.set(self.energy.get() * 0)
        if self.settings.keeps("dWeights"):
            self.learned_inputs.set(self.learned_inputs.get() * 0)
            self.learned_outputs.set(self.learned_outputs.get() * 0)
            self.evolutions.set(self.evolutions.get() + 1)


def _bits(record: Iterable[str] | None) -> int:
    names = list(RECORDED if record is None else record)
    for name in names:
        if name not in RECORDED:
            known = ", ".join(RECORDED)
            raise ValueError(f"record: expected names of {known}, got {name!r}")
    return sum({RECORDED[name] for name in names})
