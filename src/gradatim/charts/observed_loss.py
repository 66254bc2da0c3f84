"""The training loss of a watched script by step, with what was found pinned to its step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradatim.charts import theme
from gradatim.charts.curves import EPOCHS, POINTS, thin
from gradatim.charts.figures import count, significant
from gradatim.core.finding import Finding
from gradatim.core.page import Chart
from gradatim.core.record import Record, number

LOGARITHMIC_FROM = 40.0
"""A loss that changes by more than this factor is drawn on a logarithmic axis."""
PINS = 4
"""Findings pinned at most: alarms, the primary one first."""
HEADROOM = 0.2
"""Room above the curve, in its own height, where pins are named."""
ALARM = theme.COLOURS["alarm"].light


def points(record: Record) -> list[tuple[int, float]]:
    """Return step and loss of every step seen; several optimisers share one line."""
    rows = [row for event in record.of("losses") for row in event["rows"]]
    return [(int(row[0]), number(row[2])) for row in rows]


def evaluations(record: Record) -> list[tuple[int, float]]:
    """Return step and loss of every evaluation whose loss was seen, or validation of a run."""
    found = []
    for event in (*record.of("evaluation"), *record.of("epoch")):
        measured = event.get("loss") or {"value": (event.get("validation") or {}).get("loss")}
        value = measured.get("value")
        if value is not None and math.isfinite(number(value)):
            found.append((int(event["step"]), number(value)))
    return found


def chart(record: Record, findings: Sequence[Finding] = ()) -> Chart:
    """Draw the loss handed to ``backward``; what is no number is left out and said."""
    seen = points(record)
    if len(seen) < 2:
        return Chart("Loss", {}, f"{len(seen)} losses were seen.")
    finite = [(step, value) for step, value in seen if math.isfinite(value)]
    if not finite:
        return Chart("Loss", {}, f"{len(seen)} losses were seen, none a finite number.")
    last = seen[-1][0] if len(finite) == len(seen) else max(10, 3 * finite[-1][0])
    means = thin([step for step, _ in finite], [value for _, value in finite])
    measured = [(step, value) for step, value in evaluations(record) if step <= last]
    shown = [bucket.mean for bucket in means] + [value for _, value in measured]
    ratio = max(shown) / min(shown) if shown and min(shown) > 0 else 0.0
    logarithmic = ratio > LOGARITHMIC_FROM
    x = theme.quantity("x", "step", axis=EPOCHS, scale={"domain": [0, last], "nice": False})
    y = theme.quantity("y", "loss, logarithmic" if logarithmic else "loss", **_scale(shown, ratio))
    series = {"training": theme.MUTED} | ({"evaluation": theme.ACCENT} if measured else {})
    colours = theme.colour("series", list(series), list(series.values()), "stroke")
    rows = [_row(bucket.x, bucket.mean, "training") for bucket in means]
    others = [_row(step, value, "evaluation") for step, value in measured]
    encoding = {"x": x, "y": y, "color": colours}
    layers = [
        theme.layer("line", rows, encoding, strokeWidth=1.5),
        theme.layer("line", others, encoding, point={"size": 26} if len(others) <= 40 else False),
        *_pins(findings, x, last),
    ]
    return Chart(
        "Loss",
        theme.specification(layers, height=280),
        _words(seen, measured),
        _caption(len(finite)),
        [bucket.mean for bucket in means],
    )


def _scale(shown: Sequence[float], ratio: float) -> dict[str, Any]:
    if ratio > LOGARITHMIC_FROM:
        low, high = min(shown) / 1.3, max(shown) * ratio**HEADROOM
        values = theme.ticks(low, high)
        if len(values) > 8:
            values = values[:: math.ceil(len(values) / 8)]
        return {
            "scale": {"type": "log", "domain": [low, high], "nice": False},
            "axis": {"values": values, "format": "~g" if high < 1e6 else ".0e"},
        }
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    bottom = 0.0 if 0 <= low < 0.5 * high else low
    room = HEADROOM * (high - bottom)
    return {
        "scale": {"domain": [bottom - room / 4 if bottom else 0.0, high + room], "nice": False},
        "axis": {"tickCount": 5},
    }


def _row(x: float, y: float, series: str) -> dict[str, float | str]:
    return {"x": x, "y": float(f"{y:.5g}"), "series": series}


def pinned(findings: Sequence[Finding]) -> list[Finding]:
    """Return the alarms that have a step, the primary one first."""
    return [item for item in findings if item.level == "alarm" and item.step is not None][:PINS]


def _pins(findings: Sequence[Finding], x: dict[str, Any], last: int) -> list[dict[str, Any]]:
    """Return a rule at the step of each alarm, named; pins at one step share it."""
    pins = pinned(findings)
    if not pins:
        return []
    rows = [
        {
            "x": min(item.step or 0, last),
            "label": item.name,
            "line": index,
            "left": (item.step or 0) > last / 2,
        }
        for index, item in enumerate(pins)
    ]
    layers = [theme.layer("rule", rows, {"x": x}, color=ALARM, strokeWidth=1.5, strokeDash=[4, 3])]
    for left in (False, True):
        some = [row for row in rows if row["left"] is left]
        for row in some:
            layers.append(
                theme.layer(
                    "text",
                    [row],
                    {
                        "x": x,
                        "y": {"value": 8 + 16 * int(str(row["line"]))},
                        "text": {"field": "label"},
                    },
                    align="right" if left else "left",
                    dx=-6 if left else 6,
                    color=ALARM,
                )
            )
    return layers


def _caption(steps: int) -> str:
    size = math.ceil(steps / POINTS)
    return f"Each point is the mean of {size} steps." if size > 1 else ""


def _words(seen: Sequence[tuple[int, float]], measured: Sequence[tuple[int, float]]) -> str:
    finite = [(step, value) for step, value in seen if math.isfinite(value)]
    parts = []
    if finite:
        first, last = finite[0], finite[-1]
        parts.append(
            f"Training loss from {significant(first[1])} at step {count(first[0])} "
            f"to {significant(last[1])} at step {count(last[0])}"
        )
    if len(finite) < len(seen):
        bad = next(step for step, value in seen if not math.isfinite(value))
        parts.append(f"not a finite number from step {count(bad)} on")
    if measured:
        parts.append(
            f"evaluation loss from {significant(measured[0][1])} to {significant(measured[-1][1])}"
        )
    return "; ".join(parts) + "."
