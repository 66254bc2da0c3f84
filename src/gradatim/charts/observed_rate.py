"""The learning rate of every optimiser of a watched script, by step."""

from __future__ import annotations

from gradatim.charts import theme
from gradatim.charts.curves import EPOCHS, thin
from gradatim.charts.figures import significant
from gradatim.core.page import Chart
from gradatim.core.record import Record

MOST = 6
"""Optimisers drawn at most."""


def chart(record: Record) -> Chart:
    """Draw the rate each step was made with."""
    traces: dict[int, list[tuple[int, float]]] = {}
    for event in record.of("losses"):
        for step, optimiser, _, rate, _ in event["rows"]:
            if rate is not None:
                traces.setdefault(int(optimiser), []).append((int(step), float(rate)))
    traces = {key: trace for key, trace in sorted(traces.items())[:MOST] if len(trace) > 1}
    if not traces:
        return Chart("Learning rate", {}, "0 learning rates were seen.")
    kinds = {event["optimiser"]: event["kind"] for event in record.of("optimiser")}
    names = {
        key: str(kinds.get(key, "optimiser")) + (f" {key + 1}" if len(traces) > 1 else "")
        for key in traces
    }
    curves = {
        key: thin([step for step, _ in trace], [rate for _, rate in trace])
        for key, trace in traces.items()
    }
    rows = [
        {"x": bucket.x, "y": float(f"{bucket.mean:.5g}"), "series": names[key]}
        for key, curve in curves.items()
        for bucket in curve
    ]
    encoding = {
        "x": theme.quantity("x", "step", axis=EPOCHS),
        "y": theme.quantity("y", "learning rate", scale={"zero": True}, axis={"tickCount": 4}),
        "color": theme.colour(
            "series", list(names.values()), theme.class_colours(len(names)), "stroke"
        ),
    }
    words = "; ".join(
        f"{names[key]} from {significant(trace[0][1])} by way of at most "
        f"{significant(max(rate for _, rate in trace))} to {significant(trace[-1][1])}"
        for key, trace in traces.items()
    )
    return Chart(
        "Learning rate",
        theme.specification([theme.layer("line", rows, encoding, strokeWidth=1.5)], height=170),
        f"Learning rate of {words}.",
        line=[bucket.mean for bucket in next(iter(curves.values()))],
    )
