"""Values of a recurrent net by the step of its sequence: gates, states, gradient norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradatim.charts import theme
from gradatim.charts.figures import significant
from gradatim.core.page import Chart


def chart(
    title: str, series: Mapping[str, Sequence[float]], quantity: str, logarithmic: bool = False
) -> Chart:
    """Draw one line a series over the steps of one sequence, counted from 1.

    Args:
        title: of the chart.
        series: name -> one value a step.
        quantity: what the values are, with their unit.
        logarithmic: whether the axis is; then only values above 0 are drawn.
    """
    rows = [
        {"x": step, "y": float(f"{value:.5g}"), "series": name}
        for name, values in series.items()
        for step, value in enumerate(values, start=1)
        if value > 0 or not logarithmic
    ]
    scale = {"type": "log"} if logarithmic else {"zero": False}
    names = list(series)
    encoding = {
        "x": theme.quantity("x", "step of the sequence", axis={"grid": False, "tickCount": 8}),
        "y": theme.quantity("y", quantity, scale=scale, axis={"tickCount": 4}),
        "color": theme.colour("series", names, theme.class_colours(len(names))),
    }
    first = next(iter(series.values()), [])
    words = "; ".join(
        f"{name} from {significant(values[0])} at the first step to {significant(values[-1])} "
        f"at the last of {len(values)}"
        for name, values in series.items()
        if values
    )
    return Chart(
        title=title,
        specification=theme.specification(
            [theme.layer("line", rows, encoding, strokeWidth=1.5)], height=190
        ),
        alternative=f"{title}: {words}.",
        line=list(first),
    )
