"""The reliability diagram: does 90 % mean right nine times in ten?"""

from __future__ import annotations

from gradatim.charts import theme
from gradatim.charts.figures import percent
from gradatim.core.page import Chart
from gradatim.core.record import Event


def chart(calibration: Event) -> Chart:
    """Draw the share right against the mean probability, by bins of the probability.

    Args:
        calibration: ``{error, bins: [{low, high, confidence, accuracy, count}]}``, of a test event.
    """
    filled = [item for item in calibration["bins"] if item["count"]]
    total = sum(item["count"] for item in filled)
    rows = [
        {
            "x": round(100 * item["confidence"], 3),
            "y": round(100 * item["accuracy"], 3),
            "n": item["count"],
        }
        for item in filled
    ]
    whole = {"domain": [0, 100], "nice": False}
    x = theme.quantity("x", "probability given, mean (%)", scale=whole, axis={"tickCount": 5})
    y = theme.quantity("y", "share right (%)", scale=whole, axis={"tickCount": 5})
    size = theme.quantity(
        "n", None, scale={"type": "sqrt", "range": [18, 620], "zero": True}, legend=None
    )
    line = [{"x": 0, "y": 0}, {"x": 100, "y": 100}]
    layers = [
        theme.layer(
            "line", line, {"x": x, "y": y}, color=theme.MUTED, strokeDash=[2, 4], strokeWidth=1.5
        ),
        theme.layer(
            "rule",
            rows,
            {"x": x, "y": y, "y2": {"field": "x"}},
            color=theme.ACCENT,
            strokeWidth=1.5,
        ),
        theme.layer(
            "point",
            rows,
            {"x": x, "y": y, "size": size},
            filled=True,
            color=theme.ACCENT,
            opacity=0.85,
        ),
    ]
    words = "; ".join(
        f"said {percent(item['confidence'], 0)}, right {percent(item['accuracy'], 0)} "
        f"of {item['count']:,}"
        for item in filled
    )
    return Chart(
        title="Share right by probability given",
        specification=theme.specification(layers, height=360, square=True),
        alternative=f"Expected calibration error {percent(calibration['error'])} over {total:,} "
        f"samples: {words}.",
        caption="On the dashed line probabilities are true; below it the model is too sure. "
        "The area of a dot grows with its number of samples.",
    )
