"""Regression: what was predicted against what was true."""

from __future__ import annotations

from collections.abc import Sequence

from gradatim.charts import theme
from gradatim.charts.figures import significant
from gradatim.core.page import Chart

DOTS = 1500
"""Dots drawn at most; evenly taken by rank of the true value, so extremes are kept."""


def chart(true: Sequence[float], predicted: Sequence[float], target: str, unit: str = "") -> Chart:
    """Draw one dot a sample.

    Args:
        true: values measured, in ``unit``.
        predicted: values the model gave, in the same order and unit.
        target: name of what is predicted.
        unit: its unit, empty when unknown.
    """
    pairs = sorted(zip(true, predicted, strict=True))
    step = max(1, (len(pairs) - 1) / (DOTS - 1)) if len(pairs) > 1 else 1
    kept = [pairs[round(index * step)] for index in range(min(DOTS, len(pairs)))]
    rows = [{"x": float(f"{x:.5g}"), "y": float(f"{y:.5g}")} for x, y in kept]
    ends = [value for pair in pairs for value in pair] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low) or 1.0
    domain = {"domain": [low - margin, high + margin], "nice": False, "zero": False}
    name = f"{target} ({unit})" if unit else target
    x = theme.quantity("x", f"true {name}", scale=domain, axis={"tickCount": 5})
    y = theme.quantity("y", f"predicted {name}", scale=domain, axis={"tickCount": 5})
    line = [{"x": end, "y": end} for end in (low - margin, high + margin)]
    layers = [
        theme.layer(
            "line", line, {"x": x, "y": y}, color=theme.MUTED, strokeDash=[2, 4], strokeWidth=1.5
        ),
        theme.layer(
            "point", rows, {"x": x, "y": y}, filled=True, color=theme.ACCENT, size=28, opacity=0.55
        ),
    ]
    return Chart(
        title="Predicted against true values",
        specification=theme.specification(layers, height=400, square=True),
        alternative=_words(pairs, name),
        caption="On the dashed line the prediction is exact."
        + (f" {len(kept):,} of {len(pairs):,} samples drawn." if len(kept) < len(pairs) else ""),
    )


def _words(pairs: list[tuple[float, float]], name: str) -> str:
    if not pairs:
        return "No sample was predicted."
    errors = sorted(abs(true - predicted) for true, predicted in pairs)
    return (
        f"{len(pairs):,} samples; true {name} from {significant(pairs[0][0])} to "
        f"{significant(pairs[-1][0])}; half of the errors are below "
        f"{significant(errors[len(errors) // 2])}, the largest is {significant(errors[-1])}."
    )
