"""The share of units that are at zero for every sample, by layer and step."""

from __future__ import annotations

import math

from gradatim.charts import theme
from gradatim.charts.curves import EPOCHS
from gradatim.charts.figures import percent
from gradatim.charts.spread_by_depth import label
from gradatim.core.page import Chart
from gradatim.core.record import Record

MOST = 8
"""Layers drawn at most: those with most dead units."""


def chart(record: Record) -> Chart:
    """Draw the share of dead units of each layer that has any; saturated ones are not counted."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for event in record.of("backward"):
        for item in event.get("activations") or []:
            if item.get("units") and item.get("dead") is not None:
                share = item["dead"] / item["units"]
                lines.setdefault(label(item), []).append((int(event["step"]), share))
    with_any = {name: line for name, line in lines.items() if max(share for _, share in line) > 0}
    kept = sorted(with_any, key=lambda name: -lines[name][-1][1])[:MOST]
    names = [name for name in lines if name in kept]
    if not names or all(len(lines[name]) < 2 for name in names):
        return Chart("Dead units", {}, f"0 of {len(lines)} layers had dead units.")
    rows = [
        {"x": step, "y": round(100 * share, 2), "series": name}
        for name in names
        for step, share in lines[name]
        if math.isfinite(share)
    ]
    encoding = {
        "x": theme.quantity("x", "step", axis=EPOCHS),
        "y": theme.quantity(
            "y", "dead units (%)", scale={"domain": [0, 100]}, axis={"tickCount": 5}
        ),
        "color": theme.colour("series", names, theme.class_colours(len(names)), "stroke"),
    }
    words = "; ".join(f"{name} {percent(lines[name][-1][1])}" for name in names)
    return Chart(
        "Dead units",
        theme.specification([theme.layer("line", rows, encoding, strokeWidth=1.5)], height=220),
        f"Share of units at zero for every sample of the last batches looked at: {words}, "
        f"of {len(lines)} layers.",
        "" if len(with_any) <= MOST else f"The {MOST} layers with most of them.",
    )
