"""The learning rate by step."""

from __future__ import annotations

from gradatim.charts import theme
from gradatim.charts.curves import EPOCHS, along, thin
from gradatim.charts.figures import significant
from gradatim.core.page import Chart
from gradatim.core.record import Record, number


def chart(record: Record) -> Chart:
    """Draw the learning rate of one run, as it was used."""
    steps = [step for step in record.of("step") if step.get("learning_rate") is not None]
    rates = [number(step["learning_rate"]) for step in steps]
    axis = along(record)
    trace = thin([axis.at(step["step"]) for step in steps], rates)
    rows = [{"x": bucket.x, "y": float(f"{bucket.mean:.5g}")} for bucket in trace]
    encoding = {
        "x": theme.quantity("x", axis.title, axis=EPOCHS),
        "y": theme.quantity(
            "y", "learning rate (per step)", scale={"zero": True}, axis={"tickCount": 4}
        ),
    }
    layers = [theme.layer("line", rows, encoding, color=theme.INK, strokeWidth=1.5)]
    words = "No learning rate was recorded."
    if rates:
        words = (
            f"Learning rate from {significant(rates[0])} by way of at most "
            f"{significant(max(rates))} to {significant(rates[-1])} over {len(rates):,} steps."
        )
    return Chart(
        title="Learning rate",
        specification=theme.specification(layers, height=170),
        alternative=words,
        line=[bucket.mean for bucket in trace],
    )
