"""ngc-learn's component, for NumPy arrays."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _arrays, _core
from ._growth import Event, events, rules

_RECORDED = ("similarities", "memory_weights", "energy", "dWeights")


class HopfieldSynapse(_core.Synapse):
    """A modern Hopfield network as a synaptic cable: ngc-learn's `HopfieldSynapse` without JAX.

    It holds N patterns of D features, as the columns of `weights` (D, N), and a batch of B probes.
    `advance_state` recalls, `evolve` learns from what was recalled, `reset` forgets the batch.

    Parameters
    ----------
    name : str
    shape : (D, N)
    eta, reg_lambda, l1_lambda : float
        The learning rate, and the weight decay in proportion and at a constant rate.
    beta : float
        The inverse temperature.
    initial_patterns : array (D, N'), optional
        Patterns to begin with. Fewer than N are joined with initial weights and shuffled
        (`permutation`). More replace the memory, or are refused under "standard".
    update_rule : str
        "delta" or "contrastive".
    weight_init : tuple, optional
        ("uniform", low, high), ("gaussian", mean, std), ("constant", value),
        ("log_gaussian", sigma), ("fan_in_uniform",) or ("fan_in_gaussian",).
    semantics : str
        "ngc-learn": what ngc-learn 3.2.1 computes. "standard": the energy and the similarities of
        Ramsauer et al. 2020, and the contrastive rule at the β of the recall.
    record : names of compartments, optional
        Which of similarities, memory_weights, energy and dWeights are kept: all by default.
    seed : int
        What everything random is drawn from.

    >>> import numpy as np, hopfield_kernels as hk
    >>> patterns = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> synapse = hk.HopfieldSynapse("W", (2, 2), 0.5, beta=64.0, initial_patterns=patterns)
    >>> synapse.inputs = [[0.9, 0.2]]
    >>> synapse.advance_state()
    >>> synapse.outputs
    array([[1., 0.]])
    >>> synapse.evolve()
    >>> synapse.weights
    array([[0.95, 0.  ],
           [0.1 , 1.  ]])
    """

    def __new__(
        cls,
        name: str,
        shape: tuple[int, int],
        eta: float,
        reg_lambda: float = 0.0,
        beta: float = 8.0,
        initial_patterns: ArrayLike | None = None,
        update_rule: str = "delta",
        weight_init: tuple[Any, ...] | None = None,
        resist_scale: float = 1.0,
        p_conn: float = 1.0,
        batch_size: int = 1,
        *,
        l1_lambda: float = 0.0,
        negative_steps: int = 1,
        semantics: str = "ngc-learn",
        record: Iterable[str] = _RECORDED,
        seed: int = 0,
        dtype: DTypeLike | None = None,
    ) -> HopfieldSynapse:
        for operand, count in (("seed", seed), ("negative_steps", negative_steps)):
            if operator.index(count) < 0:
                raise ValueError(f"{operand}: expected at least 0, got {count}")
        known = _arrays.type_name(dtype)
        patterns = None
        if initial_patterns is not None:
            patterns = _arrays.stored("initial_patterns", initial_patterns, known)
            known = patterns.dtype.name
        options = {
            "name": name,
            "shape": tuple(map(operator.index, shape)),
            "eta": eta,
            "reg_lambda": reg_lambda,
            "l1_lambda": l1_lambda,
            "beta": beta,
            "update_rule": update_rule,
            "weight_init": weight_init and (weight_init[0], list(weight_init[1:])),
            "resist_scale": resist_scale,
            "p_conn": p_conn,
            "batch_size": batch_size,
            "negative_steps": negative_steps,
            "semantics": semantics,
            "record": list(record),
            "seed": seed,
        }
        synapse: HopfieldSynapse = super().__new__(cls, options, patterns, known == "float64")
        return synapse

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements: that of the initial patterns, or float32."""
        return np.dtype(np.float64 if self.is_double else np.float32)

    @property
    def inputs(self) -> NDArray[Any]:
        """The probes (B, D). Any number of them may be set."""
        return self.compartment("inputs")

    @inputs.setter
    def inputs(self, probes: ArrayLike) -> None:
        self.set_inputs(probes)

    @property
    def weights(self) -> NDArray[Any]:
        """The patterns, one a column (D, N)."""
        return self.compartment("weights")

    @weights.setter
    def weights(self, weights: ArrayLike) -> None:
        self.set_weights(weights)

    @property
    def outputs(self) -> NDArray[Any]:
        """What is retrieved (B, D)."""
        return self.compartment("outputs")

    @property
    def similarities(self) -> NDArray[Any]:
        """X W (B, N); under "ngc-learn" less the largest of each row."""
        return self.compartment("similarities")

    @property
    def memory_weights(self) -> NDArray[Any]:
        """softmax(β X W) (B, N)."""
        return self.compartment("memory_weights")

    @property
    def energy(self) -> NDArray[Any]:
        """The mean energy of the probes (1, 1)."""
        return self.compartment("energy")

    @property
    def dWeights(self) -> NDArray[Any]:
        """ΔW, the last change before η and decay (D, N)."""
        return self.compartment("dWeights")

    @property
    def i_tick(self) -> NDArray[Any]:
        """How often `advance_state` was called (1, 1)."""
        return self.compartment("i_tick")

    @property
    def key(self) -> NDArray[Any]:
        """The seed as four words of 16 bits, the highest first (1, 4)."""
        return self.compartment("key")

    @property
    def eta(self) -> float:
        """The learning rate."""
        return self.rate("eta")

    @eta.setter
    def eta(self, to: float) -> None:
        self.set_rate("eta", to)

    @property
    def beta(self) -> float:
        """The inverse temperature."""
        return self.rate("beta")

    @beta.setter
    def beta(self, to: float) -> None:
        self.set_rate("beta", to)

    @property
    def reg_lambda(self) -> float:
        """The weight decay, which is not scaled by η."""
        return self.rate("reg_lambda")

    @reg_lambda.setter
    def reg_lambda(self, to: float) -> None:
        self.set_rate("reg_lambda", to)

    @property
    def l1_lambda(self) -> float:
        """The weight decay at a constant rate."""
        return self.rate("l1_lambda")

    @l1_lambda.setter
    def l1_lambda(self, to: float) -> None:
        self.set_rate("l1_lambda", to)

    def grow(
        self,
        capacity: int,
        *,
        vigilance: float | None = None,
        energy: float | None = None,
        residual: float | None = None,
        best_weight: float | None = None,
        when_full: str = "refuse",
        forgetting: float = 0.9,
    ) -> list[Event]:
        """Stores those of the inputs that are new; see `Memory.grow`. Only under "standard"."""
        tests = (vigilance, energy, residual, best_weight)
        return events(self.run_grow(rules(capacity, *tests, when_full, forgetting)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a `.npz` with ngc-learn's names, shapes and orientation, and the settings."""
        self.to_file(path)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, dtype: DTypeLike = "float32"
    ) -> HopfieldSynapse:
        """A synapse from a file that `save` has written, or ngc-learn's component."""
        double = _arrays.type_name(dtype) == "float64"
        synapse: HopfieldSynapse = super().__new__(cls, os.fspath(path), None, double)
        return synapse

    def __repr__(self) -> str:
        return f"HopfieldSynapse({self.name!r}, {self.shape}, {self.dtype.name})"
