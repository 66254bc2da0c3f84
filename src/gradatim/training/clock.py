"""The one clock of this room, in seconds; tests put another in its place."""

from __future__ import annotations

from time import perf_counter as _perf_counter


def now() -> float:
    """Return the reading of a clock that only ever goes forward, in seconds."""
    return _perf_counter()
