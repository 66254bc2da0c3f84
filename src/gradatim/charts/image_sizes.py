"""Widths and heights of the images as they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradatim.charts import theme
from gradatim.core.page import Chart


def chart(sizes: Mapping[str, Any]) -> Chart:
    """Draw one dot for each of the most common sizes, its area growing with their number.

    Args:
        sizes: the field ``sizes`` of an audit: ``distinct`` (number of different sizes), ``width``
            and ``height`` (smallest, median, largest, in pixels), ``common`` (width, height,
            number of images).
    """
    rows = [{"x": width, "y": height, "n": n} for width, height, n in sizes["common"]]
    end = round(1.08 * max((max(row["x"], row["y"]) for row in rows), default=1))
    whole = {"domain": [0, end], "nice": False}
    x = theme.quantity("x", "width (pixels)", scale=whole, axis={"tickCount": 5})
    y = theme.quantity("y", "height (pixels)", scale=whole, axis={"tickCount": 5})
    size = theme.quantity(
        "n", None, scale={"type": "sqrt", "range": [22, 900], "zero": True}, legend=None
    )
    layers = [
        theme.layer(
            "line",
            [{"x": 0, "y": 0}, {"x": end, "y": end}],
            {"x": x, "y": y},
            color=theme.MUTED,
            strokeDash=[2, 4],
            strokeWidth=1.5,
        ),
        theme.layer(
            "point",
            rows,
            {"x": x, "y": y, "size": size},
            filled=True,
            color=theme.ACCENT,
            opacity=0.5,
        ),
    ]
    drawn = f"The {len(rows)} most common of {sizes['distinct']:,} sizes. "
    return Chart(
        title="Image sizes",
        specification=theme.specification(layers, height=360, square=True),
        alternative=_words(sizes),
        caption=(drawn if len(rows) < sizes["distinct"] else "")
        + "Images on the dashed line are square.",
    )


def _words(sizes: Mapping[str, Any]) -> str:
    (least_w, middle_w, most_w), (least_h, middle_h, most_h) = sizes["width"], sizes["height"]
    text = (
        f"{sizes['distinct']:,} sizes; width {least_w} to {most_w} pixels, median {middle_w}; "
        f"height {least_h} to {most_h}, median {middle_h}"
    )
    if not sizes["common"]:
        return text + "."
    width, height, n = sizes["common"][0]
    return f"{text}; most common: {width} x {height} ({n:,} images)."
