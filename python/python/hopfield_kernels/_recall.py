"""The result of a recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _arrays, _core

_STATUS = np.array(["converged", "exact", "max_steps", "not_a_number"])

#: Outputs that cost next to nothing: they are there whether or not they are wanted.
ALWAYS = ("energy", "lse", "entropy", "best", "best_weight", "support")
#: Outputs that are there if they are wanted.
ON_REQUEST = (
    "second",
    "trace",
    "similarities",
    "memory_weights",
    "usage",
    "sum_p2",
    "spread",
    "k90",
)
_NOT_WANTED = dict.fromkeys(ON_REQUEST[1:])
#: The names that `want` takes.
NAMES = ("retrieved", *ALWAYS, "steps", "status", *ON_REQUEST)


@dataclass(frozen=True)
class Gradients:
    """The gradients of a loss with respect to the operands of a recall."""

    #: dL/dX, of the shape of the probes. Zeros where the recall has settled.
    probes: NDArray[Any]
    #: dL/dM (N, D). Without values it is the whole gradient.
    patterns: NDArray[Any]
    #: dL/dV (N, E); None without values.
    values: NDArray[Any] | None
    #: dL/db, of the shape of the bias; None without one.
    bias: NDArray[Any] | None
    #: dL/dβ.
    beta: float


class Recall:
    """What a recall has found. With one probe (D,), what is one for each probe is a scalar.

    energy, lse, entropy, best, best_weight, second, support, memory_weights and similarities belong
    to the last weighing: with `steps=1` to the probe itself, with `steps=None` to the probe that has
    settled.

    It refers to its memory. `backward` and `Memory.learn` refuse a memory that has changed since.
    """

    #: What is retrieved (B, D), or (B, E) of a memory with values.
    retrieved: NDArray[Any]
    #: The energy of each probe.
    energy: Any
    #: G(β s + b), which is the log-sum-exp under a softmax; -inf when all patterns are masked.
    lse: Any
    #: -Σ p ln p, in nats.
    entropy: Any
    #: The lowest index with the largest score β s + b; -1 where there is none.
    best: Any
    #: The weight of that pattern.
    best_weight: Any
    #: The number of weights that are not 0.
    support: Any
    #: The number of weighings; with `steps=None` the number of updates until the probe settled.
    steps: Any
    #: The energies before and after every update (T + 1, B), if wanted.
    trace: NDArray[Any] | None
    #: S (B, N), if wanted.
    similarities: NDArray[Any] | None
    #: P (B, N), if wanted.
    memory_weights: NDArray[Any] | None
    #: The sum of the weights of each pattern over the probes (N,), if wanted.
    usage: NDArray[Any] | None
    #: Σ p², if wanted: its inverse is an effective number of patterns.
    sum_p2: Any
    #: Σ p ‖m‖² - ‖Σ p m‖², if wanted.
    spread: Any
    #: The least number of patterns that have 90% of the weight, if wanted.
    k90: Any

    def __init__(
        self,
        memory: _core.Memory,
        weighing: _core.Weighing,
        probes: NDArray[Any],
        steps: int | None,
        damping: float,
        found: dict[str, Any],
    ) -> None:
        self._memory = memory
        self._weighing = weighing
        self._start = probes
        # The probes of the last weighing.
        self._probes: NDArray[Any] = found.pop("states", probes)
        self._count = steps
        self._damping = damping
        self._version: int = found.pop("version")
        self._status: NDArray[Any] = found.pop("status")
        self._second = found.pop("second", None)
        self.__dict__.update(_NOT_WANTED)
        self.__dict__.update(found)

    @property
    def status(self) -> Any:
        """Why each probe is updated no more.

        "converged": the last update has moved it by no more than the tolerance. "exact": the last
        update has given the probe itself, bit for bit. "max_steps": it may still move.
        "not_a_number": it is not finite.
        """
        names = _STATUS[self._status]
        return str(names[0]) if self._start.ndim == 1 else names

    @property
    def second(self) -> Any:
        """The second largest similarity; -inf of fewer than two patterns.

        Where it was not wanted, it is computed when it is asked for first.
        """
        if self._second is None:
            if self._memory.version != self._version:
                raise ValueError(
                    "second: expected a memory as it was at the recall, got one that has changed; "
                    'want=("second",) keeps it'
                )
            _core.reset_counters()
            walk = (1, 0.0, 1.0)
            found = self._memory.run_recall(self._probes, self._weighing, walk, ["second"])
            self._second = found["second"]
        return self._second

    def backward(
        self,
        d_retrieved: ArrayLike | None,
        d_lse: ArrayLike | None = None,
        d_energy: ArrayLike | None = None,
    ) -> Gradients:
        """The gradients of a loss, given those with respect to `retrieved`, `lse` and `energy`.

        It goes through all steps that the recall has taken. Where the probes have settled
        (`steps=None`), gradients are those of the fixed point, by implicit differentiation.

        >>> import numpy as np, hopfield_kernels as hk
        >>> recall = hk.Memory(np.eye(2)).recall([0.5, 0.5], 4.0)
        >>> recall.backward([1.0, 0.0]).probes
        array([ 1., -1.])
        """
        self._check_backward()
        settled = self._count is None
        dtype = self._start.dtype.name
        upstream = (
            None if d_retrieved is None else _arrays.convert("d_retrieved", d_retrieved, dtype),
            self._per_probe("d_lse", d_lse),
            self._per_probe("d_energy", d_energy),
        )
        if upstream[0] is not None and upstream[0].shape != self.retrieved.shape:
            shape, found_shape = self.retrieved.shape, upstream[0].shape
            raise ValueError(f"d_retrieved: expected shape {shape}, got {found_shape}")
        probes = self._probes if settled else self._start
        found = self._memory.run_backward(
            probes, self._weighing, self._count, upstream, self._version
        )
        return Gradients(
            found["probes"],
            found["patterns"],
            found.get("values"),
            found.get("bias"),
            found["beta"],
        )

    def _check_backward(self) -> None:
        if self._count is None:
            if np.any(self._status == 2):
                raise ValueError("recall: expected probes that have settled, got one that has not")
        elif self._damping != 1.0:
            raise ValueError(
                f"damping: expected 1 where gradients of steps are wanted, got {self._damping}"
            )

    def _per_probe(self, operand: str, gradient: ArrayLike | None) -> NDArray[Any] | None:
        if gradient is None:
            return None
        found = _arrays.convert(operand, gradient, self._start.dtype.name)
        if found.shape != self._start.shape[:-1]:
            shape = self._start.shape[:-1]
            raise ValueError(f"{operand}: expected shape {shape}, got {found.shape}")
        return np.atleast_1d(found)
