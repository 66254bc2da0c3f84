"""The ladder: what each rung leaves wrong on the validation samples, with its interval."""

from __future__ import annotations

from typing import Any

from gradatim.charts import theme
from gradatim.charts.confusion import distinct
from gradatim.charts.figures import interval, is_share, metric, minus, name_of
from gradatim.core.measures import LOWER_IS_BETTER
from gradatim.core.page import Chart
from gradatim.core.record import Event, Record, number

ROW = 34
"""Height of one rung in pixels."""


def chart(record: Record) -> Chart:
    """Draw one dot with its interval for each rung, the best furthest right.

    The axis is one minus the metric (errors, or the variance left unexplained) and logarithmic:
    halving what is wrong is the same step everywhere, while on the metric's own axis the rungs
    worth comparing would share one spot.
    """
    rungs = record.of("rung")
    winner = (record.last("winner") or {}).get("rung")
    name = str(rungs[0]["metric"]) if rungs else "accuracy"
    floor = _floor(rungs, name)
    labels = distinct([str(rung["model"]) for rung in rungs])
    rows = [
        {"rung": label, "winner": rung["rung"] == winner, **_row(rung, name, floor)}
        for label, rung in zip(labels, rungs, strict=True)
    ]
    order = [row["rung"] for row in rows]
    share = is_share(name)
    title = "validation errors (%), fewer to the right"
    if not share:
        title = "unexplained variance (1 − R²), less to the right"
    if name in LOWER_IS_BETTER:
        title = f"validation {name_of(name)}, fewer to the right"
    ends = [value for row in rows for value in (row["low"], row["high"])]
    domain = [min(ends, default=0.01) * 0.9, max(ends, default=1.0) * 1.4]
    x = theme.quantity(
        "y",
        title,
        scale={"type": "log", "domain": domain, "nice": False, "reverse": True},
        axis={"values": theme.ticks(*domain), "format": "~g", "labelOverlap": True},
    )
    y = theme.category("rung", None, order, axis={"grid": False, "labelColor": theme.INK})
    won: dict[str, Any] = {
        "condition": {"test": "datum.winner", "value": theme.ACCENT},
        "value": theme.INK,
    }
    layers = [
        theme.layer(
            "rule",
            rows,
            {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": won},
            strokeWidth=2,
        ),
        theme.layer("point", rows, {"y": y, "x": x, "color": won}, filled=True, size=75, opacity=1),
        theme.layer(
            "text",
            rows,
            {"y": y, "x": x, "text": {"field": "label"}, "color": won},
            dy=-11,
            fontSize=11,
        ),
    ]
    words = "; ".join(
        f"{rung['model']} {metric(name, number(rung['validation']['value']))} "
        f"({interval(name, rung['validation'].get('low'), rung['validation'].get('high'))})"
        for rung in rungs
    )
    return Chart(
        title=f"Validation {name_of(name)} of each rung",
        specification=theme.specification(layers, height=64 + ROW * len(rows)),
        alternative=f"Validation {name_of(name)} with 95 % interval: {words}."
        if rungs
        else "No rung.",
        caption=f"Each dot carries its {name_of(name)}, the line its 95 % interval. "
        "The axis is logarithmic: half of what is wrong is the same step everywhere.",
    )


def _wrong(name: str, value: float) -> float:
    if name in LOWER_IS_BETTER:
        return value
    return (100.0 if is_share(name) else 1.0) * (1.0 - value)


def _floor(rungs: list[Event], name: str) -> float:
    """Return the least value drawn: below half an error per part a logarithm has no place."""
    samples = max((rung["validation"].get("n") or 0 for rung in rungs), default=0)
    return (100.0 if is_share(name) else 1.0) * 0.5 / max(samples, 50)


def _row(rung: Event, name: str, floor: float) -> dict[str, Any]:
    validation = rung["validation"]
    value = number(validation["value"])
    low, high = (validation.get(end) for end in ("low", "high"))
    if name in LOWER_IS_BETTER:
        low, high = high, low
    return {
        "y": max(floor, round(_wrong(name, value), 4)),
        "low": max(floor, round(_wrong(name, value if high is None else number(high)), 4)),
        "high": max(floor, round(_wrong(name, value if low is None else number(low)), 4)),
        "label": metric(name, value) if is_share(name) else minus(value, 3),
    }
