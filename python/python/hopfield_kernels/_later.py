"""What the interface names and this version does not have yet."""

from typing import Any, NoReturn


def counters() -> NoReturn:
    """Counts what the last call has done. Not in this version."""
    raise NotImplementedError("counters: this version does not count what a call has done")


class HopfieldSynapse:
    """The component of ngc-learn, without JAX. Not in this version."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "HopfieldSynapse: this version has it in Rust only; use Memory.recall and Memory.learn"
        )
