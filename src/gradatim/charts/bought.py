"""What each rung of the ladder bought: paired differences on the same validation samples."""

from __future__ import annotations

from gradatim.charts import theme
from gradatim.charts.figures import difference, is_share, minus, name_of
from gradatim.charts.ladder import ROW
from gradatim.core.page import Chart
from gradatim.core.record import Record, number


def chart(record: Record) -> Chart:
    """Draw the difference of each rung to the rung it is held against, with its interval.

    The axis is linear within one point of zero and logarithmic beyond, so that the first leap
    over guessing and the last half point are both to be seen.
    """
    rungs = [rung for rung in record.of("rung") if rung.get("bought")]
    name = str(rungs[0]["metric"]) if rungs else "accuracy"
    factor = 100.0 if is_share(name) else 1.0
    rows = [
        {
            "step": f"{rung['model']} over {rung['bought']['against']}",
            "x": round(factor * number(bought["difference"]), 4),
            "low": round(factor * number(bought["low"]), 4),
            "high": round(factor * number(bought["high"]), 4),
            "clear": bought["low"] > 0 or bought["high"] < 0,
        }
        for rung in rungs
        for bought in (rung["bought"],)
    ]
    unit = "percentage points" if is_share(name) else name_of(name)
    constant = 1.0 if is_share(name) else 0.01
    reach = max((abs(row[end]) for row in rows for end in ("low", "high")), default=1.0)
    ticks = [value for value in _ticks(constant) if abs(value) <= max(reach, constant)]
    x = theme.quantity(
        "x",
        f"difference ({unit})",
        scale={"type": "symlog", "constant": constant, "nice": False},
        axis={
            "values": ticks,
            "format": "+.4~f",
            "labelExpr": "datum.value == 0 ? '0' : datum.label",
            "labelOverlap": True,
        },
    )
    y = theme.category(
        "step",
        None,
        [row["step"] for row in rows],
        axis={"grid": False, "labelColor": theme.INK, "labelLimit": 220},
    )
    clear = {
        "condition": {"test": "datum.clear", "value": theme.ACCENT},
        "value": theme.MUTED,
    }
    layers = [
        theme.layer("rule", [{"x": 0}], {"x": x}, color=theme.INK, strokeWidth=1),
        theme.layer(
            "rule",
            rows,
            {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": clear},
            strokeWidth=2,
        ),
        theme.layer(
            "point", rows, {"y": y, "x": x, "color": clear}, filled=True, size=75, opacity=1
        ),
    ]
    words = "; ".join(
        f"{rung['model']} over {rung['bought']['against']} "
        f"{difference(name, number(rung['bought']['difference']))} "
        f"({minus(factor * number(rung['bought']['low']), 1 if factor > 1 else 3, sign=True)} to "
        f"{minus(factor * number(rung['bought']['high']), 1 if factor > 1 else 3, sign=True)})"
        for rung in rungs
    )
    return Chart(
        title="What each rung bought",
        specification=theme.specification(layers, height=64 + ROW * len(rows)),
        alternative=f"Differences with 95 % interval: {words}." if rungs else "Nothing to compare.",
        caption="Grey where the interval contains zero: the step bought nothing that can be told "
        "from chance. The axis is linear near zero and logarithmic beyond.",
    )


def _ticks(constant: float) -> list[float]:
    steps = [constant * value for value in (1, 3, 10, 30, 100)]
    return [-value for value in reversed(steps)] + [0.0] + steps
