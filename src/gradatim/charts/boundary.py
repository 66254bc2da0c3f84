"""Two-dimensional data: the plane as the model divides it, and the points it learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from gradatim.charts import theme
from gradatim.charts.figures import significant
from gradatim.core.page import Chart

LEVELS = 6
"""Shades of certainty; neighbours on a row with the same shade are drawn as one."""
POINTS = 800
"""Points drawn at most, evenly taken."""


def chart(boundary: Mapping[str, Any]) -> Chart:
    """Draw the winning class at each place, paler where it is less sure, and the points.

    Args:
        boundary: the content of ``boundary.json``: ``x`` and ``y`` as [least, largest, number of
            places], ``classes``, ``winner`` and ``probability`` (rows from the least y up: index
            of the winning class and its probability), ``points`` as [x, y, class index], and
            optionally ``features`` (names of the two axes).
    """
    classes = [str(name) for name in boundary["classes"]]
    features = [str(name) for name in boundary.get("features") or ("x", "y")]
    x_low, x_high, columns = boundary["x"]
    y_low, y_high, lines = boundary["y"]
    width, height = (x_high - x_low) / columns, (y_high - y_low) / lines
    regions = [
        {
            "x": x_low + start * width,
            "x2": x_low + end * width,
            "y": y_low + line * height,
            "y2": y_low + (line + 1) * height,
            "class": classes[winner],
            "strength": shade / LEVELS,
        }
        for line in range(int(lines))
        for start, end, winner, shade in _runs(
            boundary["winner"][line], boundary["probability"][line], len(classes)
        )
    ]
    every = max(1, -(-len(boundary["points"]) // POINTS))
    points = [
        {
            "x": float(f"{point[0]:.4g}"),
            "y": float(f"{point[1]:.4g}"),
            "class": classes[int(point[2])],
        }
        for point in boundary["points"][::every]
    ]
    x = theme.quantity(
        "x",
        features[0],
        scale={"domain": [x_low, x_high], "nice": False, "zero": False},
        axis={"grid": False, "tickCount": 6},
    )
    y = theme.quantity(
        "y",
        features[1],
        scale={"domain": [y_low, y_high], "nice": False, "zero": False},
        axis={"grid": False, "tickCount": 6},
    )
    colours = theme.colour("class", classes, theme.class_colours(len(classes)))
    strength = theme.quantity(
        "strength", None, scale={"domain": [0, 1], "range": [0.04, 0.42]}, legend=None
    )
    layers = [
        theme.layer(
            "rect",
            _rounded(regions),
            {
                "x": x,
                "x2": {"field": "x2"},
                "y": y,
                "y2": {"field": "y2"},
                "color": colours,
                "fillOpacity": strength,
            },
        ),
        theme.layer(
            "point",
            points,
            {"x": x, "y": y, "color": colours},
            filled=True,
            size=30,
            opacity=1,
            stroke=theme.PAPER,
            strokeWidth=0.6,
        ),
    ]
    shares = [
        sum(line.count(index) for line in boundary["winner"]) / (columns * lines)
        for index in range(len(classes))
    ]
    words = ", ".join(
        f"{name} {100 * share:.0f} %" for name, share in zip(classes, shares, strict=True)
    )
    return Chart(
        title="What the model says at each place",
        specification=theme.specification(layers, height=460, square=True),
        alternative=f"{len(boundary['points']):,} points over {features[0]} "
        f"{significant(x_low)} to {significant(x_high)} and {features[1]} {significant(y_low)} to "
        f"{significant(y_high)}; "
        f"share of the plane given to each class: {words}.",
        caption="The ground has the colour of the class the model says there, paler where it is "
        "unsure.",
    )


def _runs(
    winners: Sequence[int], probabilities: Sequence[float], classes: int
) -> list[tuple[int, int, int, int]]:
    """Return (start, end, winner, shade) for neighbours that look the same."""
    least = 1 / classes
    cells = [
        (winner, min(LEVELS, max(0, round(LEVELS * (probability - least) / (1 - least)))))
        for winner, probability in zip(winners, probabilities, strict=True)
    ]
    runs, start = [], 0
    for (winner, shade), group in groupby(cells):
        end = start + len(list(group))
        runs.append((start, end, winner, shade))
        start = end
    return runs


def _rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            key: float(f"{value:.5g}") if isinstance(value, float) else value
            for key, value in row.items()
        }
        for row in rows
    ]
