"""The confusion matrix: what was taken for what."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradatim.charts import theme
from gradatim.charts.figures import percent
from gradatim.core.page import Chart

COUNTS_UP_TO = 20
"""Classes up to which every cell shows its count."""


def chart(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Chart:
    """Draw the counts of true class (rows) against predicted class (columns).

    Right answers are grey and mistakes carry the accent, darker with their share of the row;
    cells without a sample stay empty.

    Args:
        classes: names, in the order of rows and columns.
        counts: K x K counts, rows are true classes.
    """
    names = distinct([short(name) for name in classes])
    rows = [
        {
            "true": names[row],
            "predicted": names[column],
            "n": value,
            "strength": _strength(value / max(1, sum(line)), right=row == column),
            "right": row == column,
        }
        for row, line in enumerate(counts)
        for column, value in enumerate(line)
        if value
    ]
    few = len(names) <= COUNTS_UP_TO
    axis = {
        "grid": False,
        "labelOverlap": False if few else "parity",
        "labelFontSize": 12 if few else 9,
    }
    x = theme.category(
        "predicted",
        "predicted class",
        names,
        axis={**axis, "labelAngle": -45 if _wide(names) else 0},
        scale={"domain": names, "paddingInner": 0.06 if few else 0.0, "paddingOuter": 0},
    )
    y = theme.category(
        "true",
        "true class",
        names,
        axis=axis,
        scale={"domain": names, "paddingInner": 0.06 if few else 0.0, "paddingOuter": 0},
    )
    right = {"condition": {"test": "datum.right", "value": theme.MUTED}, "value": theme.ACCENT}
    strength = theme.quantity(
        "strength", None, scale={"domain": [0, 1], "range": [0, 1]}, legend=None
    )
    layers = [theme.layer("rect", rows, {"x": x, "y": y, "color": right, "fillOpacity": strength})]
    if few:
        size = f"min(13, 0.42 * width / {len(names)})"
        layers.append(
            theme.layer(
                "text",
                rows,
                {
                    "x": x,
                    "y": y,
                    "text": {"field": "n"},
                    "color": {
                        "condition": {
                            "test": "!datum.right && datum.strength > 0.6",
                            "value": theme.PAPER,
                        },
                        "value": theme.INK,
                    },
                },
                fontSize={"expr": size},
            )
        )
    return Chart(
        title="Confusion matrix",
        specification=theme.specification(layers, height=_side(len(names)), square=True),
        alternative=_words(classes, counts),
        caption="Rows are true classes, columns what the model said; grey is right, colour is "
        "wrong.",
    )


def _strength(share: float, *, right: bool) -> float:
    """Return the strength of a colour: the root of the share, so that rare mistakes are seen."""
    return round((0.5 if right else 1.0) * (0.06 + 0.94 * math.sqrt(share)), 3)


def most_confused(
    classes: Sequence[str], counts: Sequence[Sequence[int]]
) -> list[tuple[str, str, int, float]]:
    """Return (true, predicted, count, share of the true class), most frequent mistake first."""
    found = [
        (classes[row], classes[column], value, value / sum(line))
        for row, line in enumerate(counts)
        for column, value in enumerate(line)
        if value and row != column
    ]
    return sorted(found, key=lambda item: (-item[2], -item[3]))


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names made distinct, for an axis has one place for each."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def short(name: str, limit: int = 18) -> str:
    """Return a name that fits beside an axis, its beginning and its end kept."""
    end = limit // 3
    return name if len(name) <= limit else f"{name[: limit - end - 1]}…{name[-end:]}"


def _wide(names: Sequence[str]) -> bool:
    """Say whether names must be turned to stand under their columns."""
    return max((len(name) for name in names), default=0) * len(names) > 70


def _side(classes: int) -> int:
    return min(theme.WIDTH, max(300, 150 + 42 * classes))


def _words(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    total = sum(sum(line) for line in counts)
    right = sum(line[index] for index, line in enumerate(counts))
    worst = [
        f"{true} taken for {predicted} ({value:,})"
        for true, predicted, value, _ in most_confused(classes, counts)[:3]
    ]
    share = percent(right / total) if total else "none"
    text = f"{right:,} of {total:,} right ({share})"
    return (
        f"{text}; most frequent mistakes: {', '.join(worst)}." if worst else f"{text}; no mistake."
    )
