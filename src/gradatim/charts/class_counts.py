"""How many samples each class has, by part."""

from __future__ import annotations

from collections.abc import Mapping

from gradatim.charts import theme
from gradatim.charts.confusion import distinct, short
from gradatim.core.page import Chart

NAMED_UP_TO = 40
"""Classes up to which each bar carries its name."""
PARTS = {"train": "training", "validation": "validation", "test": "test", "all": "not split"}


def chart(counts: Mapping[str, Mapping[str, int]]) -> Chart:
    """Draw one bar a class, split by part.

    Args:
        counts: part -> class -> number of samples; parts are train, validation and test,
            or ``all`` where the source has no parts.
    """
    classes = list(dict.fromkeys(name for part in counts.values() for name in part))
    labels = dict(zip(classes, distinct([short(name) for name in classes]), strict=True))
    parts = [part for part in PARTS if any(counts.get(part, {}).values())]
    rows = [
        {"class": labels[name], "part": PARTS[part], "order": order, "n": counts[part].get(name, 0)}
        for order, part in enumerate(parts)
        for name in classes
    ]
    opacity = {"train": 0.75, "validation": 0.45, "test": 0.22, "all": 0.75}
    shades = {
        "field": "part",
        "type": "nominal",
        "scale": {"domain": [PARTS[p] for p in parts], "range": [opacity[p] for p in parts]},
        "legend": None
        if parts == ["all"]
        else {"symbolFillColor": theme.ACCENT, "symbolStrokeWidth": 0},
    }
    amount = theme.quantity("n", "samples", stack="zero", axis={"tickCount": 5, "format": ",d"})
    named = len(classes) <= NAMED_UP_TO
    if named:
        where = theme.category(
            "class", None, list(labels.values()), axis={"grid": False, "labelColor": theme.INK}
        )
        encoding = {"y": where, "x": amount}
        height = 76 + 22 * len(classes)
    else:
        where = theme.category(
            "class",
            f"{len(classes)} classes, in their order",
            list(labels.values()),
            axis={"labels": False, "grid": False},
        )
        encoding = {"x": where, "y": amount}
        height = 240
    layers = [
        theme.layer(
            "bar",
            rows,
            {**encoding, "opacity": shades, "order": {"field": "order"}},
            color=theme.ACCENT,
            height={"band": 0.55} if named else {"band": 0.9},
        )
    ]
    totals = {name: sum(counts[part].get(name, 0) for part in parts) for name in classes}
    return Chart(
        title="Samples of each class",
        specification=theme.specification(layers, height=height),
        alternative=_words(totals),
    )


def _words(totals: Mapping[str, int]) -> str:
    if not totals:
        return "No class has a sample."
    least, most = min(totals, key=lambda name: totals[name]), max(totals, key=lambda n: totals[n])
    if totals[least] == totals[most]:
        return f"{sum(totals.values()):,} samples in {len(totals)} classes, {totals[most]:,} each."
    text = (
        f"{sum(totals.values()):,} samples in {len(totals)} classes, from {totals[least]:,} "
        f"({least}) to {totals[most]:,} ({most})"
    )
    if len(totals) > 20:
        return text + "."
    return f"{text}: {', '.join(f'{name} {value:,}' for name, value in totals.items())}."
