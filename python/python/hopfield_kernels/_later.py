"""What the interface names and this version does not have yet."""

from typing import NoReturn


def counters() -> NoReturn:
    """Counts what the last call has done. Not in this version."""
    raise NotImplementedError("counters: this version does not count what a call has done")
