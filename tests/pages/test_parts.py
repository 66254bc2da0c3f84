"""What all renderings share: visible text, cells, formulas, plots."""

import math

import pytest

from gradatim.core.page import Table
from gradatim.pages import cells
from gradatim.pages.plot import plot


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße 图 👍", "Grüße 图 👍"),
        ("a\nb\tc", "a\nb\tc"),
        ("na\udcefve", "na\\xefve"),
        ("red\x1b[31m", "red\\x1b[31m"),
        ("txt.\u202egpj", "txt.\\u202egpj"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_nothing_in_a_text_is_obeyed(text, shown):
    assert cells.visible(text) == shown
    cells.visible(text).encode()


def test_cells_are_written_for_people():
    table = Table(
        ["name", "n", "x", "y"],
        [["a", 11_173_962, 0.5, -0.25], ["b", None, 1234.5678, 2.0]],
        formats={"y": "+.1f"},
    )
    assert cells.cells(table) == [
        ["a", "11,173,962", "0.5000", "−0.2"],
        ["b", "–", "1,235", "+2.0"],
    ]


def test_columns_of_figures_are_found():
    rows = [
        ["0", 3, "98.3 %", "9", "−0.3 (−2.2 to +1.6)", None, "ok"],
        ["1", None, "–", "4", "12.4 s", None, "7 cats"],
    ]
    numeric = cells.numeric_columns(Table(list("abcdefg"), rows))
    assert numeric == [False, True, True, False, True, False, False]


def test_formulas_get_the_signs_of_mathematics():
    shown = cells.formula("(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55")
    assert shown == "(224 − 11 + 2×2)/4 + 1 = 55.25 → 55"
    assert cells.formula("64 x 3 x 7 x 7 = 9408") == "64 × 3 × 7 × 7 = 9408"


def test_a_plot_climbs_as_its_values_do():
    lines = plot([0.0, 1.0], 30, height=4)
    assert lines[0].startswith("1.00 │") and lines[-1].startswith("   0 │")
    ends = [len(line.rstrip()) for line in lines]
    assert ends == sorted(ends, reverse=True) and len(set(ends)) == 4
    assert all(len(line) <= 30 for line in lines)


def test_a_plot_leaves_gaps_and_needs_two_values():
    assert plot([], 40) == [] and plot([1.0], 40) == [] and plot([math.nan, 1.0], 40) == []
    gap = plot([1.0, math.nan, math.nan, math.nan, 1.0], 30, height=1)[0]
    assert " " in gap.split("│")[1].strip()
