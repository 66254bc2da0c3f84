"""What curves over a run share: thinning, epochs as the horizontal axis, safe reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import quantiles
from typing import Any, NamedTuple

from gradatim.core.record import Event, Record, number

POINTS = 240
"""Points along a curve: about three pixels each."""
EPOCHS = {"grid": False, "tickMinStep": 1, "tickCount": 10}
"""The horizontal axis: whole epochs or steps, no grid."""


class Bucket(NamedTuple):
    """Consecutive steps drawn as one point: position, mean, lower and upper quartile."""

    x: float
    mean: float
    low: float
    high: float


def thin(x: Sequence[float], y: Sequence[float], points: int = POINTS) -> list[Bucket]:
    """Return at most ``points`` buckets of equally many steps; what is no number is left out."""
    size = max(1, math.ceil(len(x) / points))
    buckets = []
    for start in range(0, len(x), size):
        pairs = [
            (x_value, y_value)
            for x_value, y_value in zip(
                x[start : start + size], y[start : start + size], strict=True
            )
            if math.isfinite(y_value)
        ]
        if pairs:
            xs, ys = zip(*pairs, strict=True)
            low, high = quartiles(ys)
            buckets.append(Bucket(sum(xs) / len(xs), sum(ys) / len(ys), low, high))
    return buckets


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the lower and the upper quartile, by linear interpolation between ranks."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def steps_per_epoch(record: Record) -> float | None:
    """Return the number of steps of one epoch, or None when the Record does not tell."""
    run = record.last("run") or {}
    if run.get("steps_per_epoch"):
        return float(run["steps_per_epoch"])
    epochs = [event for event in record.of("epoch") if event.get("epoch") and event.get("step")]
    return epochs[-1]["step"] / epochs[-1]["epoch"] if epochs else None


class Along(NamedTuple):
    """The horizontal axis of a run: its title, and how many steps one unit holds."""

    title: str
    steps: float

    def at(self, step: float) -> float:
        """Return the position of a step."""
        return round(step / self.steps, 4)


def along(record: Record) -> Along:
    """Return epochs as the horizontal axis where they are known, else steps."""
    steps = steps_per_epoch(record)
    return Along("epoch", steps) if steps else Along("step", 1.0)


def finite(event: Event, part: str, name: str) -> float | None:
    """Return ``event[part][name]`` where it is there and a finite number."""
    value: Any = (event.get(part) or {}).get(name)
    if value is None or not math.isfinite(number(value)):
        return None
    return number(value)


def best_epoch(record: Record) -> Event | None:
    """Return the epoch whose weights were kept."""
    epochs = record.of("epoch")
    end = record.last("end") or {}
    named = [event for event in epochs if event["epoch"] == end.get("best_epoch")]
    marked = [event for event in epochs if event.get("best")]
    kept = named or marked
    return kept[-1] if kept else None
