"""What the last call has read."""

from __future__ import annotations

from typing import NamedTuple

from . import _core


class Counters(NamedTuple):
    """How many patterns a call had to read. Every weighing of a probe counts."""

    #: Probes whose patterns were screened by codes.
    probes: int
    #: Probes whose patterns were all scored.
    dense: int
    #: Patterns whose scores were computed for the probes that were screened.
    listed: int
    #: Those among them that had a weight.
    kept: int


def counters() -> Counters:
    """What the last `retrieve`, `recall`, `top_k`, `backward`, `learn` or `grow` has read.

    Of a `Memory`, in this thread: other threads have counters of their own. A call that was refused
    leaves what it had counted until then. Each probe counts once in every recall or search, in
    `probes` or in `dense`; all numbers but `listed` are the same for any number of threads.

    >>> import numpy as np, hopfield_kernels as hk
    >>> rows = np.random.default_rng(0).normal(size=(1000, 64)).astype(np.float32)
    >>> memory = hk.Memory(rows, codes="int8")
    >>> with hk.threads(1):
    ...     retrieved = memory.retrieve(rows[:2], 4.0)
    >>> found = hk.counters()
    >>> found.probes, found.dense, found.kept
    (2, 0, 2)
    >>> found.listed < 100
    True
    """
    return Counters(*_core.last_counters())
