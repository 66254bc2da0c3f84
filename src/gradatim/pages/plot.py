"""A line drawn with braille characters, each holding 2 x 4 dots."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradatim.charts.figures import significant

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a braille character, by row and column."""
_BLANK = 0x2800


def plot(values: Sequence[float], width: int, height: int = 6) -> list[str]:
    """Return the lines of a small plot, its largest and smallest value on the left.

    Args:
        values: in order; those that are not finite leave a gap.
        width: in characters, labels included.
        height: in characters.
    """
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return []
    low, high = min(finite), max(finite)
    labels = [significant(high), significant(low)]
    margin = max(map(len, labels))
    columns = max(8, width - margin - 3)
    rows = _dots(values, low, high, 2 * columns, 4 * height)
    result = []
    for row in range(height):
        label = labels[0] if row == 0 else labels[1] if row == height - 1 else ""
        drawn = "".join(_character(rows, row, column) for column in range(columns))
        result.append(f"{label:>{margin}} │ {drawn}".replace(chr(_BLANK), " ").rstrip())
    return result


def _dots(
    values: Sequence[float], low: float, high: float, width: int, height: int
) -> set[tuple[int, int]]:
    """Return (row, column) of each dot set: one a column, joined upright to the one before."""
    span = high - low or 1.0
    dots: set[tuple[int, int]] = set()
    before: int | None = None
    for column in range(width):
        value = _between(values, column * (len(values) - 1) / (width - 1))
        if not math.isfinite(value):
            before = None
            continue
        row = round((height - 1) * (high - value) / span)
        start = row if before is None else before + (row > before) - (row < before)
        for filled in range(min(start, row), max(start, row) + 1):
            dots.add((filled, column))
        before = row
    return dots


def _between(values: Sequence[float], place: float) -> float:
    """Return the value at a place between two indices, on the line that joins them."""
    index, share = int(place), place % 1
    if share == 0:
        return values[index]
    return (1 - share) * values[index] + share * values[index + 1]


def _character(dots: set[tuple[int, int]], row: int, column: int) -> str:
    bits = sum(
        bit
        for y, line in enumerate(_DOTS)
        for x, bit in enumerate(line)
        if (4 * row + y, 2 * column + x) in dots
    )
    return chr(_BLANK + bits)
