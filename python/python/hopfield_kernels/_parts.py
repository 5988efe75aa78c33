"""Recalls of many probes in parts, between which Python handles signals such as an interrupt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core

__all__ = ["recall"]


def recall(
    call: Callable[[slice], dict[str, Any]], batch: int, each: int, out: NDArray[Any] | None
) -> dict[str, Any]:
    """What `call` finds for the probes of each part, joined.

    Each probe is recalled by itself, so that no result depends on the parts.
    """
    found = [call(slice(start, start + each)) for start in range(0, batch, each)]
    if len({part["version"] for part in found}) > 1:
        raise ValueError("memory: expected no change during a call, got one")
    joined = {name: _join(name, [part[name] for part in found]) for name in found[0]}
    return joined if out is None else joined | {"retrieved": out}


def _join(name: str, parts: list[Any]) -> Any:
    if name == "version":
        return parts[0]
    if name == "usage":
        return sum(parts[1:], parts[0])
    if name != "trace":
        return np.concatenate(parts)
    # Probes that have settled keep their energy.
    longest = max(map(len, parts))
    longer = [np.pad(part, ((0, longest - len(part)), (0, 0)), mode="edge") for part in parts]
    return np.concatenate(longer, axis=1)


def weighing(
    options: tuple[float, str, tuple[str, float], str],
    mask: NDArray[np.bool_] | None,
    bias: NDArray[Any] | None,
    part: slice,
) -> _core.Weighing:
    """How the probes of a part are weighed, where each may have its own mask and bias."""
    of = lambda rows: rows[part] if rows is not None and rows.ndim == 2 else rows
    return _core.Weighing(*options, (of(mask), of(bias)))
