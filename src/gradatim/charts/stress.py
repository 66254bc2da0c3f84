"""Accuracy under one kind of stress, by strength; one run, or two side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradatim.charts import theme
from gradatim.charts.figures import interval, percent
from gradatim.core.page import Chart


def chart(facts: Mapping[str, Any], kind: str) -> Chart:
    """Draw the accuracy at the strengths 0 (as it is) to 5, with 95 % intervals.

    Args:
        facts: of ``gradatim.evaluate(run, stress=...)``.
        kind: of stress.
    """
    runs = [facts, *([facts["against"]] if facts.get("against") else [])]
    shown_names = names(facts)
    rows: list[dict[str, Any]] = []
    words = []
    for shift, (name, run) in enumerate(zip(shown_names, runs, strict=True)):
        steps = next(row["steps"] for row in run["kinds"] if row["kind"] == kind)
        points = [{**run["clean"], "strength": 0}, *steps]
        rows += [
            {
                "x": point["strength"] + (0.06 * shift if len(runs) > 1 else 0),
                "y": round(100 * point["value"], 3),
                "low": round(100 * point["low"], 3),
                "high": round(100 * point["high"], 3),
                "run": name,
            }
            for point in points
        ]
        shown = "; ".join(
            f"{'as it is' if point['strength'] == 0 else point['setting']} "
            f"{percent(point['value'])} ({interval('accuracy', point['low'], point['high'])})"
            for point in points
        )
        words.append(f"{name}: {shown}" if len(runs) > 1 else shown)
    x = theme.quantity(
        "x", "strength", axis={"values": list(range(6)), "format": "d", "grid": False}
    )
    y = theme.quantity("y", "accuracy (%)", scale={"domain": [0, 100]})
    shades = [theme.ACCENT, theme.CLASSES[1].light][: len(runs)]
    colours = theme.colour("run", shown_names, shades, "stroke")
    if len(runs) == 1:
        colours["legend"] = None
    ends = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colours}
    layers = [
        theme.layer("line", rows, {"x": x, "y": y, "color": colours}),
        theme.layer("rule", rows, ends, strokeWidth=2),
        theme.layer("point", rows, {"x": x, "y": y, "color": colours}, filled=True, size=50,
                    opacity=1),
    ]  # fmt: skip
    return Chart(
        title=f"Accuracy under {kind}",
        specification=theme.specification(layers, height=200),
        alternative=f"Accuracy with 95 % interval: {'. '.join(words)}.",
        line=[row["y"] for row in rows if row["run"] == shown_names[0]],
    )


def names(facts: Mapping[str, Any]) -> list[str]:
    """Return short names of the runs: those of their folders, told apart."""
    found = [str(facts["run"]).rstrip("/\\").replace("\\", "/").rpartition("/")[2]]
    if facts.get("against"):
        other = str(facts["against"]["run"]).rstrip("/\\").replace("\\", "/").rpartition("/")[2]
        found.append(other if other != found[0] else str(facts["against"]["run"]))
    return found
