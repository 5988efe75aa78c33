"""What becomes of probes that a memory grows by."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Event", "events", "rules"]


class Event(NamedTuple):
    """What became of one probe.

    | kind | pattern | freed |
    | --- | --- | --- |
    | "known" | its best pattern | -1 |
    | "appended" | the pattern that it is now | -1 |
    | "replaced" | the pattern that it has replaced | -1 |
    | "merged" | the mean of two patterns | the pattern that it is now |
    | "refused" | -1: the memory is full | -1 |
    | "not_a_number" | -1: it is not finite | -1 |
    """

    kind: str
    pattern: int
    freed: int


def events(found: list[tuple[str, int, int]]) -> list[Event]:
    """Events as the extension tells them."""
    return [Event(*event) for event in found]


def rules(
    capacity: int,
    vigilance: float | None,
    energy: float | None,
    residual: float | None,
    best_weight: float | None,
    when_full: str,
    forgetting: float,
) -> dict[str, Any]:
    """When a probe is new, and what happens where the memory is full, for the extension."""
    if capacity < 0:
        raise ValueError(f"capacity: expected at least 0, got {capacity}")
    return {
        "capacity": capacity,
        "vigilance": vigilance,
        "energy": energy,
        "residual": residual,
        "best_weight": best_weight,
        "when_full": when_full,
        "forgetting": forgetting,
    }
