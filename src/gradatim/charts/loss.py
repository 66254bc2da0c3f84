"""Loss curves: training by step, validation by epoch, and what guessing would cost."""

from __future__ import annotations

import math
from typing import Any

from gradatim.charts import theme
from gradatim.charts.curves import EPOCHS, POINTS, Bucket, along, best_epoch, finite, thin
from gradatim.charts.figures import significant
from gradatim.core.page import Chart
from gradatim.core.record import Record, number

LOGARITHMIC_FROM = 40.0
"""A loss that falls by more than this factor is drawn on a logarithmic axis."""


def chart(record: Record) -> Chart:
    """Draw the losses of one run.

    Training is drawn as the mean of equally many consecutive steps inside the band of their
    quartiles; validation as one point per epoch.
    """
    run = record.last("run") or {}
    steps = record.of("step")
    losses = [number(step["loss"]) for step in steps]
    axis = along(record)
    train = thin([axis.at(step["step"]) for step in steps], losses)
    measured = [
        (axis.at(event["step"]), value)
        for event in record.of("epoch")
        if (value := finite(event, "validation", "loss")) is not None
    ]
    validation = [{"x": x, "y": y, "series": "validation"} for x, y in measured]
    baseline = run.get("baseline_loss")
    level = number(baseline) if baseline is not None else None
    shown = [bucket.mean for bucket in train] + [y for _, y in measured]
    logarithmic = bool(shown) and min(shown) > 0 and max(shown) / min(shown) > LOGARITHMIC_FROM
    named = str(run.get("loss", "")).replace("-", " ")
    unit = "nats" if "entropy" in named else named
    notes = [note for note in (unit, "logarithmic" if logarithmic else "") if note]
    title = "loss" + (f" ({', '.join(notes)})" if notes else "")
    x = theme.quantity("x", axis.title, axis=EPOCHS)
    scaled = _logarithmic(train, shown) if logarithmic else {"scale": {"zero": True}}
    y = theme.quantity("y", title, **scaled)
    colours = theme.colour(
        "series", ["training", "validation"], [theme.MUTED, theme.ACCENT], "stroke"
    )
    means = [
        {"x": bucket.x, "y": bucket.mean, "low": bucket.low, "high": bucket.high}
        for bucket in train
    ]
    band = means if not logarithmic else [row for row in means if row["low"] > 0]
    layers = [
        theme.layer(
            "area",
            _rounded(band),
            {
                "x": x,
                "y": {**y, "field": "low"},
                "y2": {"field": "high"},
            },
            color=theme.MUTED,
            opacity=0.16,
        ),
        theme.layer(
            "line",
            [{**row, "series": "training"} for row in _rounded(means)],
            {"x": x, "y": y, "color": colours},
            strokeWidth=1.5,
        ),
        theme.layer(
            "line",
            validation,
            {"x": x, "y": y, "color": colours},
            point={"size": 26} if len(validation) <= 40 else False,
        ),
    ]
    if level is not None and (not logarithmic or level > 0):
        layers += _guessing(level, y, shown)
    return Chart(
        title="Loss",
        specification=theme.specification(layers, height=280),
        alternative=_words(record, losses, level),
        caption=_caption(len(steps)),
        line=[bucket.mean for bucket in train],
    )


def _logarithmic(train: list[Bucket], shown: list[float]) -> dict[str, Any]:
    """Return scale and ticks of a logarithmic axis that holds the curves."""
    low, high = min(shown) / 1.5, max([*shown, *(bucket.high for bucket in train)]) * 1.2
    return {
        "scale": {"type": "log", "domain": [low, high], "nice": False, "clamp": True},
        "axis": {"values": theme.ticks(low, high), "format": "~g"},
    }


def _rounded(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """Five digits are finer than a pixel and keep a page small."""
    return [{key: float(f"{value:.5g}") for key, value in row.items()} for row in rows]


def _guessing(level: float, y: dict[str, Any], shown: list[float]) -> list[dict[str, Any]]:
    """Draw the loss of guessing as a dashed line, where it lies near the curves."""
    if shown and level > 4 * max(shown):
        return []
    row = [{"y": level, "label": f"guessing {significant(level)}"}]
    place = {"y": y, "x": {"value": {"expr": "width"}}}
    return [
        theme.layer("rule", row, {"y": y}, color=theme.INK, strokeDash=[2, 3], opacity=0.7),
        theme.layer(
            "text",
            row,
            {**place, "text": {"field": "label"}},
            align="right",
            dy=-7,
            color=theme.INK,
        ),
    ]


def _caption(steps: int) -> str:
    size = math.ceil(steps / POINTS)
    return (
        f"Each point of the training curve is the mean of {size} steps; the band holds "
        "the middle half of them."
        if size > 1
        else ""
    )


def _words(record: Record, losses: list[float], level: float | None) -> str:
    parts = []
    finite_losses = [value for value in losses if math.isfinite(value)]
    if finite_losses:
        parts.append(
            f"Training loss from {significant(finite_losses[0])} "
            f"to {significant(finite_losses[-1])} over {len(losses):,} steps"
        )
    if len(finite_losses) < len(losses):
        first = next(i for i, value in enumerate(losses) if not math.isfinite(value))
        parts.append(f"the loss is not a number from step {record.of('step')[first]['step']:,} on")
    best = best_epoch(record)
    if best is not None and (value := finite(best, "validation", "loss")) is not None:
        parts.append(f"validation loss {significant(value)} at the epoch kept, {best['epoch']}")
    if level is not None:
        parts.append(f"guessing costs {significant(level)}")
    return "; ".join(parts) + "." if parts else "No step was recorded."
