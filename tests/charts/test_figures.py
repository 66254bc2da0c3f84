"""Numbers as people read them."""

import math

import pytest

from gradatim.charts import figures

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (2.302585, "2.30"),
        (0.09999, "0.100"),
        (999.6, "1,000"),
        (21_400.0, "21,400"),
        (-0.5, "−0.500"),
        (0.0000796, "0.0000796"),
        (1.5e-9, "1.50e-09"),
        (3.2e12, "3.20e+12"),
        (math.nan, "not a number"),
        (-math.inf, "−∞"),
        (None, "–"),
    ],
)
def test_significant(value, text):
    assert figures.significant(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.98333, f"98.3{SPACE}%"),
        (1, "all"),
        (0, "none"),
        (0.9999, f"99.99{SPACE}%"),
        (0.0002, f"0.02{SPACE}%"),
        (0.01, f"1.0{SPACE}%"),
        (None, "–"),
    ],
)
def test_percent_never_rounds_to_a_certainty(share, text):
    assert figures.percent(share) == text


def test_a_rounded_zero_has_no_sign():
    assert figures.minus(-0.001, 2) == "0.00"
    assert figures.minus(-1234.5, 1) == "−1,234.5"


def test_metrics_are_written_in_their_own_form():
    assert figures.metric("accuracy", 0.5) == f"50.0{SPACE}%"
    assert figures.metric("r2", 0.5) == "0.500"
    assert figures.interval("accuracy", 0.964, 0.992) == f"96.4 to 99.2{SPACE}%"
    assert figures.interval("r2", -0.1, 0.2) == "−0.100 to 0.200"
    assert figures.difference("accuracy", -0.014) == "−1.4 points"
    assert figures.difference("r2", 0.1) == "+0.100"
    assert figures.name_of("r2") == "R²"


def test_seconds():
    assert figures.seconds(78.4) == f"1{SPACE}min{SPACE}18{SPACE}s"
    assert figures.seconds(None) == "–"
