"""The metric of a run by epoch, on the training and the validation part."""

from __future__ import annotations

from typing import Any

from gradatim.charts import theme
from gradatim.charts.curves import EPOCHS, along, best_epoch, finite
from gradatim.charts.figures import is_share, metric, name_of
from gradatim.core.page import Chart
from gradatim.core.record import Record


def chart(record: Record) -> Chart:
    """Draw the metric of one run; the epoch whose weights were kept is marked."""
    name = str((record.last("run") or {}).get("metric", "accuracy"))
    share = is_share(name)
    factor = 100.0 if share else 1.0
    axis = along(record)
    rows: list[dict[str, Any]] = [
        {"x": axis.at(event["step"]), "y": round(factor * value, 4), "series": series}
        for series, part in (("training", "train"), ("validation", "validation"))
        for event in record.of("epoch")
        if (value := finite(event, part, name)) is not None
    ]
    title = f"{name_of(name)} (%)" if share else name_of(name)
    x = theme.quantity("x", axis.title, axis=EPOCHS)
    y = theme.quantity("y", title, scale={"zero": False})
    shades = {"training": theme.MUTED, "validation": theme.ACCENT}
    shown = [series for series in shades if any(row["series"] == series for row in rows)]
    colours = theme.colour("series", shown, [shades[series] for series in shown], "stroke")
    layers = [theme.layer("line", rows, {"x": x, "y": y, "color": colours})]
    best = best_epoch(record)
    kept = finite(best, "validation", name) if best is not None else None
    if best is not None and kept is not None:
        mark = [{"x": axis.at(best["step"]), "y": round(factor * kept, 4)}]
        layers.append(
            theme.layer(
                "point",
                mark,
                {"x": x, "y": y},
                filled=False,
                size=130,
                strokeWidth=1.5,
                color=theme.ACCENT,
            )
        )
    return Chart(
        title=name_of(name)[0].upper() + name_of(name)[1:],
        specification=theme.specification(layers, height=240),
        alternative=_words(record, name, kept),
        caption="The ring marks the epoch whose weights were kept." if kept is not None else "",
        line=[row["y"] for row in rows if row["series"] == "validation"],
    )


def _words(record: Record, name: str, kept: float | None) -> str:
    values = [
        (event["epoch"], value)
        for event in record.of("epoch")
        if (value := finite(event, "validation", name)) is not None
    ]
    if not values:
        return "No epoch was measured."
    (first, start), (last, end) = values[0], values[-1]
    text = (
        f"Validation {name_of(name)} from {metric(name, start)} after epoch {first} "
        f"to {metric(name, end)} after epoch {last}"
    )
    best = best_epoch(record)
    if best is None or kept is None:
        return text + "."
    return f"{text}; kept: epoch {best['epoch']} with {metric(name, kept)}."
