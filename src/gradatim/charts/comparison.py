"""A comparison: the metric of each value with its interval, and every seed as a small dot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradatim.charts import theme
from gradatim.charts.figures import interval, is_share, metric, name_of
from gradatim.charts.ladder import ROW
from gradatim.core.page import Chart

LOGARITHMIC = 8
"""Values that span more than this factor stand on a logarithmic axis."""


def chart(facts: Mapping[str, Any]) -> Chart:
    """Draw the values of a comparison: numbers along a horizontal axis, names one below another.

    Args:
        facts: of the comparison, see ``gradatim.compare``.
    """
    name, key = str(facts["metric"]), str(facts["key"])
    done = [row for row in facts["values"] if row["seeds"]]
    share = is_share(name)
    factor = 100.0 if share else 1.0
    title = f"{facts['on']} {name_of(name)}" + (" (%)" if share else "")
    numbers = all(
        isinstance(row["value"], int | float) and not isinstance(row["value"], bool) for row in done
    )
    dots: list[dict[str, Any]] = [
        {"value": row["value"], "label": row["label"], "y": round(factor * value, 4)}
        for row in done
        for value in row["each"]
    ]
    means: list[dict[str, Any]] = [
        {
            "value": row["value"],
            "label": row["label"],
            "y": round(factor * row["mean"], 4),
            "low": round(_within(row["low"], share) * factor, 4),
            "high": round(_within(row["high"], share) * factor, 4),
            "series": str(facts["on"]),
        }
        for row in done
    ]
    trained = [
        {**mean, "y": round(factor * row["train"], 4), "series": "training"}
        for mean, row in zip(means, done, strict=True)
        if row["train"] is not None
    ]
    layers, height = (
        (_along(key, title, dots, means, trained), 280)
        if numbers
        else (_below(title, dots, means), 64 + ROW * len(means))
    )
    words = "; ".join(
        f"{row['label']} {metric(name, row['mean'])} ({interval(name, row['low'], row['high'])})"
        for row in done
    )
    shown = "Small dots are seeds, the lines 95 % intervals of the mean."
    if len(facts["seeds"]) == 1:
        shown = "The lines are 95 % intervals of the one measurement."
    return Chart(
        title=f"{name_of(name)} by {key}".capitalize(),
        specification=theme.specification(layers, height=height),
        alternative=f"{title}, mean with 95 % interval: {words}." if done else "No value yet.",
        caption=shown
        + (" Training: on at most 2,000 training samples." if trained and numbers else ""),
        line=[mean["y"] for mean in means] if numbers else [],
    )


def _within(value: float, share: bool) -> float:
    """Return the end of an interval, cut where a share ends."""
    return min(1.0, max(0.0, value)) if share else value


def _along(
    key: str,
    title: str,
    dots: list[dict[str, Any]],
    means: list[dict[str, Any]],
    trained: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    values = [mean["value"] for mean in means]
    scale: dict[str, Any] = {"zero": False, "nice": False, "padding": 14}
    axis: dict[str, Any] = {"values": values, "grid": False, "format": "~g"}
    if values and min(values) > 0 and max(values) / min(values) > LOGARITHMIC:
        scale["type"] = "log"
    x = theme.quantity("value", key.partition(".")[2].replace("_", " "), scale=scale, axis=axis)
    y = theme.quantity("y", title, scale={"zero": False})
    shades = {mean["series"]: theme.ACCENT for mean in means[:1]}
    if trained:
        shades["training"] = theme.MUTED
    colours = theme.colour("series", list(shades), list(shades.values()), "stroke")
    ends = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    return [
        theme.layer("line", [*means, *trained], {"x": x, "y": y, "color": colours}),
        theme.layer("rule", means, ends, color=theme.ACCENT, strokeWidth=2),
        theme.layer("point", means, {"x": x, "y": y}, filled=True, size=60, opacity=1,
                    color=theme.ACCENT),
        theme.layer("point", dots, {"x": x, "y": y}, filled=True, size=18, opacity=0.6,
                    color=theme.INK),
    ]  # fmt: skip


def _below(
    title: str, dots: list[dict[str, Any]], means: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    order = [mean["label"] for mean in means]
    y = theme.category(
        "label", None, order, axis={"grid": False, "labelColor": theme.INK, "labelLimit": 220}
    )
    x = theme.quantity("y", title, scale={"zero": False})
    ends = {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}}
    return [
        theme.layer("rule", means, ends, color=theme.ACCENT, strokeWidth=2),
        theme.layer("point", means, {"y": y, "x": x}, filled=True, size=75, opacity=1,
                    color=theme.ACCENT),
        theme.layer("point", dots, {"y": y, "x": x}, filled=True, size=18, opacity=0.6,
                    color=theme.INK),
    ]  # fmt: skip
