"""How many threads calls use."""

from types import TracebackType

from . import _core


class threads:
    """Calls of this thread use at most `n` threads, inside a `with` block.

    Results do not depend on it. Without such a block, calls use as many threads as the machine has,
    or as the environment variable `RAYON_NUM_THREADS` says. In a forked child they use one thread
    unless a block in the child says otherwise.

    >>> import numpy as np, hopfield_kernels as hk
    >>> memory = hk.Memory(np.eye(3))
    >>> with hk.threads(1):
    ...     memory.retrieve([0.0, 1.0, 0.0], 64.0)
    array([0., 1., 0.])
    """

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ValueError(f"threads: expected at least 1, got {n}")
        self.n = n

    def __enter__(self) -> "threads":
        _core.push_threads(self.n)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _core.pop_threads()
