"""Exact search for the most similar patterns, and how long it takes beside NumPy.

    python search.py picture.png

Needs matplotlib.
"""

import functools
import sys
import time
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

import hopfield_kernels as hk

K = 10


def by_sorting(probes: NDArray[np.float32], patterns: NDArray[np.float32]) -> NDArray[np.int64]:
    """The same with NumPy."""
    scores = probes @ patterns.T
    found = np.argpartition(-scores, K, axis=1)[:, :K]
    order = np.take_along_axis(-scores, found, 1).argsort(1)
    return np.take_along_axis(found, order, 1)


def milliseconds(call: Callable[[], Any]) -> float:
    """The least time of a few calls."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000.0 * min(times)


def main(path: str) -> None:
    rng = np.random.default_rng(0)
    counts = [1_000, 3_000, 10_000, 30_000]
    ours, others = [], []
    for count in counts:
        patterns = rng.normal(size=(count, 256)).astype(np.float32)
        probes = rng.normal(size=(32, 256)).astype(np.float32)
        memory = hk.Memory(patterns)
        indices, _ = memory.top_k(probes, K)
        assert (indices == by_sorting(probes, patterns)).all()
        ours.append(milliseconds(functools.partial(memory.top_k, probes, K)))
        others.append(milliseconds(functools.partial(by_sorting, probes, patterns)))
        print(f"{count:>6} patterns: {ours[-1]:.2f} ms, NumPy {others[-1]:.2f} ms")
    figure, axis = plt.subplots(figsize=(5, 3.4))
    axis.loglog(counts, ours, "o-", label="Memory.top_k")
    axis.loglog(counts, others, "o-", label="NumPy, argpartition")
    axis.set(xlabel="patterns of 256 features", ylabel=f"ms for the {K} nearest of 32 probes")
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "search.png")
