"""The spread of activations by depth, at the first and at the last step looked at."""

from __future__ import annotations

import math

from gradatim.charts import theme
from gradatim.charts.confusion import distinct, short
from gradatim.charts.figures import count, significant
from gradatim.core.page import Chart
from gradatim.core.record import Event, Record, number

MOST = 40
"""Activations drawn at most, from the input on."""


def chart(record: Record) -> Chart:
    """Draw the standard deviation of each activation's output, from the input to the output."""
    passes = [event for event in record.of("backward") if len(event.get("activations") or []) > 1]
    passes = [event for event in passes if len(event["activations"]) == _usual(passes)]
    if len(passes) < 2:
        return Chart("Spread of activations by depth", {}, f"{len(passes)} passes were looked at.")
    alive = [event for event in passes if any(_positive(i) for i in event["activations"])]
    first, last = passes[0], alive[-1] if alive else passes[-1]
    names = distinct([label(item) for item in first["activations"]][:MOST])
    series = {f"step {count(event['step'])}": event for event in (first, last)}
    rows = [
        {"layer": name, "y": float(f"{number(item['std']):.4g}"), "series": label}
        for label, event in series.items()
        for name, item in zip(names, event["activations"], strict=False)
        if _positive(item)
    ]
    spreads = [
        number(item["std"])
        for event in series.values()
        for item in event["activations"]
        if _positive(item)
    ]
    if not rows:
        return Chart("Spread of activations by depth", {}, "0 spreads were seen.")
    encoding = {
        "x": theme.category(
            "layer",
            "activation after, from the input to the output",
            names,
            axis={"grid": False, "labelAngle": -45, "labelLimit": 120, "labelOverlap": "greedy"},
            scale={"domain": names},
        ),
        "y": theme.quantity(
            "y", "standard deviation (log)", scale={"type": "log"}, axis=_ticks(spreads)
        ),
        "color": theme.colour("series", list(series), [theme.MUTED, theme.ACCENT], "stroke"),
    }
    words = "; ".join(
        f"at {label} from {_figure(event, 0)} after {names[0]} "
        f"to {_figure(event, len(names) - 1)} after {names[-1]}"
        for label, event in series.items()
    )
    return Chart(
        "Spread of activations by depth",
        theme.specification(
            [theme.layer("line", rows, encoding, strokeWidth=1.5, point={"size": 26})], height=260
        ),
        f"Standard deviation {words}.",
        "A spread that shrinks or grows from layer to layer is what initialisation and "
        "normalisation are there to prevent.",
    )


def _positive(item: Event) -> bool:
    return item.get("std") is not None and 0 < number(item["std"]) < math.inf


def _usual(passes: list[Event]) -> int:
    sizes = [len(event["activations"]) for event in passes]
    return max(set(sizes), key=sizes.count)


def label(item: Event) -> str:
    """Return a short name of an activation: that of the layer before it."""
    layer = str(item.get("layer") or item["kind"])
    return short(layer.partition(".")[2] or layer, 18)


def _figure(event: Event, index: int) -> str:
    std = event["activations"][index].get("std")
    return significant(number(std)) if std is not None else "–"


def _ticks(values: list[float]) -> dict[str, object]:
    ticks = theme.ticks(min(values) / 1.5, max(values) * 1.5)
    return {
        "values": ticks[:: max(1, math.ceil(len(ticks) / 6))],
        "format": "~g" if max(values) < 1e6 else ".0e",
    }
