"""Gradients or updates of every layer over the steps looked at: one row a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from gradatim.charts import theme
from gradatim.charts.confusion import short
from gradatim.charts.figures import significant
from gradatim.core.finding import Finding
from gradatim.core.page import Chart
from gradatim.core.record import Record, number

LAYERS = 40
"""Rows at most; of deeper nets every second, third … layer is drawn."""
COLUMNS = 60
"""Steps at most, the first eight among them."""
DENSE = 8
DECADES = 6
"""Powers of ten that the colours span; what is smaller is drawn as the smallest."""
TITLES = {"gradient": "Gradient by layer", "update": "Update by layer, beside the weight"}
QUANTITIES = {"gradient": "gradient, root mean square", "update": "update / weight"}
ALARM = theme.COLOURS["alarm"].light

Cells = dict[tuple[str, int], float]


def chart(record: Record, key: str, findings: Sequence[Finding] = ()) -> Chart:
    """Draw a heat map of weights by step, in the order of the model.

    Args:
        record: of a watched script.
        key: ``gradient`` (root mean square of its values), or ``update`` (that of one step's change
            divided by that of the weight).
        findings: each alarm that names a layer is outlined there.
    """
    cells = sizes(record, key)
    names = _thinned(_layers(record, cells), LAYERS)
    steps = _columns(sorted({step for _, step in cells}))
    shown = {
        place: value for place, value in cells.items() if place[0] in names and place[1] in steps
    }
    positive = [value for value in shown.values() if 0 < value < math.inf]
    if len(names) < 2 or len(steps) < 2 or not positive:
        return Chart(TITLES[key], {}, f"{len(steps)} steps were looked at.")
    top = math.ceil(math.log10(max(positive)))
    bottom = max(math.floor(math.log10(min(positive))), top - DECADES)
    labels = _labels(names)
    rows = [
        {
            "layer": labels[name],
            "step": str(step),
            "power": _power(value, bottom, top),
            "bad": not math.isfinite(value),
        }
        for (name, step), value in shown.items()
        if value > 0 or math.isnan(value)
    ]
    order = [labels[name] for name in names]
    x = theme.category(
        "step",
        "step looked at",
        [str(step) for step in steps],
        axis={"grid": False, "labelAngle": 0, "labelOverlap": "greedy"},
        scale={"domain": [str(step) for step in steps], "padding": 0},
    )
    y = theme.category(
        "layer",
        None,
        order,
        axis={"grid": False, "labelLimit": 190, "labelFontSize": 12 if len(names) <= 20 else 9},
        scale={"domain": order, "padding": 0},
    )
    strength = theme.quantity(
        "power",
        None,
        scale={"domain": [bottom, top], "range": [0.05, 1.0]},
        legend=None,
    )
    bad = {"condition": {"test": "datum.bad", "value": ALARM}, "value": theme.ACCENT}
    layers = [
        theme.layer("rect", rows, {"x": x, "y": y, "color": bad, "fillOpacity": strength}),
        *_pins(findings, names, labels, steps, x, y),
    ]
    height = min(620, 96 + (24 if len(names) <= 12 else 15) * len(names))
    return Chart(
        TITLES[key],
        theme.specification(layers, height=height),
        _words(key, names, labels, cells, steps),
        f"{QUANTITIES[key].capitalize()}: faintest 1e{bottom}, strongest 1e{top}, even in powers "
        "of ten. The first layer is at the top; an empty cell is exactly zero or was not seen"
        + (", an outline is where an alarm points." if len(layers) > 1 else ".")
        + (" Red: not a finite number." if any(row["bad"] for row in rows) else ""),
    )


def sizes(record: Record, key: str) -> Cells:
    """Return the size of every weight of two or more dimensions at every step looked at."""
    shapes = {
        item["name"]: item["shape"]
        for event in (*record.of("model"), *record.of("optimiser"))
        for item in event["parameters"]
    }
    cells: Cells = {}
    for event in record.of("update"):
        for name, item in event.get("parameters", {}).items():
            if len(shapes.get(name, (0, 0))) >= 2:
                value = number(item[key])
                if key == "update":
                    weight = number(item["weight"])
                    value = value / weight if weight else math.nan if value else 0.0
                cells[name, int(event["step"])] = value
    return cells


def _layers(record: Record, cells: Cells) -> list[str]:
    """Return the names in the order of the models, then of the optimisers."""
    ordered = [
        item["name"]
        for event in (*record.of("model"), *record.of("optimiser"))
        for item in event["parameters"]
    ]
    there = {name for name, _ in cells}
    return list(dict.fromkeys(name for name in ordered if name in there))


def _thinned(names: list[str], most: int) -> list[str]:
    size = math.ceil(len(names) / most) if names else 1
    return names[::size]


def _columns(steps: list[int]) -> list[int]:
    """Return the first steps and equally many of the others in equal distances."""
    first, rest = steps[:DENSE], steps[DENSE:]
    size = max(1, math.ceil(len(rest) / (COLUMNS - DENSE)))
    return first + rest[size - 1 :: size]


def _labels(names: Sequence[str]) -> dict[str, str]:
    """Return short names: without the model's class where all share it, and without ``.weight``."""
    heads = {name.partition(".")[0] for name in names}
    found: dict[str, str] = {}
    for name in names:
        own = name.partition(".")[2] if len(heads) == 1 and "." in name else name
        label = short(own.removesuffix(".weight"), 26)
        found[name] = label if label not in found.values() else short(name, 34)
    return found


def _power(value: float, bottom: int, top: int) -> float:
    """Return the power of ten, within what the colours span; not-a-number is drawn in full."""
    if not math.isfinite(value):
        return float(top)
    return round(min(max(math.log10(value), bottom), top), 2)


def _pins(
    findings: Sequence[Finding],
    names: Sequence[str],
    labels: dict[str, str],
    steps: Sequence[int],
    x: dict[str, Any],
    y: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return an outline at step and layer of each alarm that names a layer."""
    rows = []
    for item in findings:
        where = item.where.parameter or item.where.module
        if item.level != "alarm" or not where:
            continue
        layer = next((n for n in names if n == where or n.startswith(f"{where}.")), None)
        if layer is None:
            continue
        since = item.step or steps[0]
        step = next((s for s in steps if s >= since), steps[-1])
        rows.append({"layer": labels[layer], "step": str(step), "label": item.name})
    if not rows:
        return []
    outline = theme.layer(
        "rect", rows, {"x": x, "y": y}, filled=False, stroke=ALARM, strokeWidth=2.5
    )
    text: dict[str, Any] = {"align": "left", "dx": 12, "color": ALARM, "fontWeight": 600}
    place = {"x": x, "y": y, "text": {"field": "label"}}
    halo = {"stroke": theme.PAPER, "strokeWidth": 4, "strokeJoin": "round"}
    under = theme.layer("text", rows[:1], place, **text, **halo)
    over = theme.layer("text", rows[:1], place, **text)
    return [outline, under, over]


def _words(
    key: str, names: Sequence[str], labels: dict[str, str], cells: Cells, steps: Sequence[int]
) -> str:
    typical = {}
    for name in names:
        values = [cells[name, step] for step in steps if (name, step) in cells]
        finite = [value for value in values if math.isfinite(value)]
        typical[name] = median(finite) if finite else math.nan
    known = {name: value for name, value in typical.items() if math.isfinite(value)}
    if not known:
        return f"{QUANTITIES[key]}: no finite value in {len(steps)} steps."
    small, large = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    return (
        f"{QUANTITIES[key].capitalize()}, median over {len(steps)} steps: smallest in "
        f"{labels[small]} ({significant(known[small])}), largest in {labels[large]} "
        f"({significant(known[large])})."
    )
