"""CPU kernels for modern Hopfield networks (dense associative memories).

>>> import numpy as np
>>> import hopfield_kernels as hk
>>> patterns = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
>>> memory = hk.Memory(patterns)
>>> memory.retrieve(np.array([0.1, 0.8, 0.3], np.float32), beta=16.0).round(3)
array([0., 1., 0.], dtype=float32)

Arrays are rows: probes (B, D) or (D,), patterns (N, D), values (N, E), of float32 or float64. One
vector in gives one vector out. Rows of consecutive elements are read where they are, whatever the
distance from one row to the next; anything else is copied once.

The interpreter is released during a call. As with NumPy itself, no other thread may write to an
array that a call reads.
"""

import os as _os

from . import _core, theory
from ._core import level
from ._counters import Counters, counters
from ._growth import Event
from ._memory import Memory
from ._recall import Gradients, Recall
from ._synapse import HopfieldSynapse
from ._threads import threads
from ._versions import show_versions
from .separations import (
    Entmax,
    Epanechnikov,
    HardTopK,
    KSubsets,
    Max,
    Normmax,
    Polynomial,
    Power,
    Separation,
    Softmax,
    SoftmaxPlus,
    Sparsemax,
    TopK,
)

__version__ = _core.version()

__all__ = [
    "Counters",
    "Entmax",
    "Epanechnikov",
    "Event",
    "Gradients",
    "HardTopK",
    "HopfieldSynapse",
    "KSubsets",
    "Max",
    "Memory",
    "Normmax",
    "Polynomial",
    "Power",
    "Recall",
    "Separation",
    "Softmax",
    "SoftmaxPlus",
    "Sparsemax",
    "TopK",
    "counters",
    "level",
    "show_versions",
    "theory",
    "threads",
]

# A fork waits for the calls of other threads, and a forked child starts no call that needs threads
# which it does not have.
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(
        before=_core.before_fork,
        after_in_parent=_core.after_fork_in_parent,
        after_in_child=_core.after_fork_in_child,
    )
