"""How every chart looks: one accent among greys, light by itself, and recoloured for dark pages.

A chart uses only the light colours below. A page maps each one to a style variable
(``[fill="#0b5d7a"] {fill: var(--accent)}``), so one drawing serves light, dark and print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH = 736
"""Design width in pixels; a page draws charts again, narrower, for phones."""


class Colour(NamedTuple):
    """One colour on light and on dark paper."""

    light: str
    dark: str


COLOURS = {
    "paper": Colour("#fdfdfc", "#14171a"),
    "ink": Colour("#1b1f23", "#e8e9e7"),
    "muted": Colour("#59616a", "#a0a8af"),
    "rule": Colour("#dfe2e5", "#2e343a"),
    "accent": Colour("#0b5d7a", "#66bbdb"),
    "tint": Colour("#eef4f7", "#1b262c"),
    "good": Colour("#1b6b42", "#6fc598"),
    "note": Colour("#805300", "#e0b45c"),
    "alarm": Colour("#a62f1d", "#f2947f"),
}
PAPER, INK, MUTED, RULE, ACCENT = (
    COLOURS[name].light for name in ("paper", "ink", "muted", "rule", "accent")
)

CLASSES = (
    Colour("#0a5d7b", "#66bbda"),
    Colour("#c2570c", "#f59b5b"),
    Colour("#4d7c1f", "#9cc86b"),
    Colour("#8d3d8b", "#d393d1"),
    Colour("#a8323e", "#f08d97"),
    Colour("#5a5fc0", "#a5a9f3"),
    Colour("#7d6608", "#d9bd4a"),
    Colour("#1c7a6c", "#66c7b8"),
    Colour("#9c4f6f", "#e39ab8"),
    Colour("#5b636c", "#a1a9b0"),
)
"""Colours of classes, where position alone does not tell them apart."""


def class_colours(count: int) -> list[str]:
    """Return a colour for each class; after ten they repeat."""
    return [CLASSES[index % len(CLASSES)].light for index in range(count)]


CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "grid": True,
        "gridColor": RULE,
        "gridWidth": 1,
        "ticks": False,
        "labelColor": MUTED,
        "labelFontSize": 12,
        "labelFlush": False,
        "labelPadding": 7,
        "labelSeparation": 8,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
    },
    "legend": {
        "orient": "top",
        "title": None,
        "offset": 12,
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 260,
        "symbolSize": 90,
        "symbolStrokeWidth": 2,
        "columnPadding": 20,
    },
    "text": {"color": INK, "fontSize": 12},
    "line": {"strokeWidth": 2, "strokeJoin": "round", "strokeCap": "round"},
    "rule": {"strokeWidth": 1},
}


def specification(
    layers: Sequence[Mapping[str, Any]], *, height: int, square: bool = False, **more: Any
) -> dict[str, Any]:
    """Return a layered specification in the house's style.

    Args:
        layers: marks with their encodings and data.
        height: of the drawing in pixels, axes included.
        square: both axes carry the same unit, so a page keeps the height equal to the width.
        more: further keys of the specification, such as ``resolve``.
    """
    return {
        "$schema": SCHEMA,
        "width": height if square else WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "usermeta": {"square": square},
        "config": CONFIG,
        "layer": list(layers),
        **more,
    }


def layer(
    mark: str, data: Sequence[Mapping[str, Any]], encoding: Mapping[str, Any], **options: Any
) -> dict[str, Any]:
    """Return one layer: a mark with options, its data and encoding."""
    return {
        "mark": {"type": mark, **options},
        "data": {"values": list(data)},
        "encoding": dict(encoding),
    }


def quantity(field: str, title: str | None, **options: Any) -> dict[str, Any]:
    """Return the encoding of a number on an axis; the title names the unit."""
    return {"field": field, "type": "quantitative", "title": title, **options}


def category(field: str, title: str | None, order: Sequence[str], **options: Any) -> dict[str, Any]:
    """Return the encoding of a name on an axis, in the order given."""
    return {"field": field, "type": "nominal", "title": title, "sort": list(order), **options}


def ticks(low: float, high: float) -> list[float]:
    """Return ticks of a logarithmic axis: 1, 2, 5, 10 …, finer or coarser as its span needs."""
    span = high / low
    factors = range(1, 10) if span < 5 else (1, 2, 5) if span < 1000 else (1,)
    steps = [factor * 10.0**power for power in range(-12, 13) for factor in factors]
    return [float(f"{step:.3g}") for step in steps if low <= step <= high]


def colour(
    field: str, names: Sequence[str], colours: Sequence[str], symbol: str = "circle"
) -> dict[str, Any]:
    """Return a colour encoding with one colour per name and a legend."""
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(names), "range": list(colours)},
        "legend": {"symbolType": symbol},
    }
