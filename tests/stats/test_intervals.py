import json

import pytest

from gradatim.errors import ValueRefusedError
from gradatim.stats import Interval, mean_interval, percent, wilson


@pytest.mark.parametrize(
    ("share", "n", "text"),
    [
        (0.98055, 0, "98.1 %"),
        (0.0, 0, "0.0 %"),
        (0.9994, 0, "99.9 %"),
        (0.9996, 0, "99.96 %"),
        (0.99999, 0, "99.999 %"),
        (1.0, 0, "> 99.9 %"),
        (1.0, 360, "> 99.7 %"),
        (1.0, 100_000, "> 99.9 %"),
        (1.0, 10, "> 90.0 %"),
        (1 - 2**-53, 0, "99.99999999999999 %"),
    ],
)
def test_per_cent_never_claims_a_hundred(share, n, text):
    assert percent(share, n) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (wilson(353, 360), "98.1 % (353 of 360; 95 % interval 96.0 to 99.1 %)"),
        (wilson(360, 360), "360 of 360 (95 % interval from 98.9 %)"),
        (wilson(0, 9), "0 of 9 (95 % interval up to 29.9 %)"),
        (wilson(9_999, 10_000), "99.99 % (9,999 of 10,000; 95 % interval 99.9 to 99.998 %)"),
        (wilson(8, 10, level=0.9), "80.0 % (8 of 10; 90 % interval 54.1 to 93.1 %)"),
        (Interval(0.5, 0.4, 0.6, scale="share"), "50.0 % (95 % interval 40.0 to 60.0 %)"),
        (
            Interval(0.021, 0.004, 0.038, scale="difference of shares"),
            "+2.1 percentage points (95 % interval +0.4 to +3.8)",
        ),
        (Interval(41.234, 38.01, 44.9, unit="km"), "41.2 km (95 % interval 38.0 to 44.9 km)"),
        (Interval(0.0123, 0.0119, 0.0127), "0.01230 (95 % interval 0.01190 to 0.01270)"),
        (Interval(1234.5, 1000.0, 1500.0), "1234 (95 % interval 1000 to 1500)"),
        (Interval(2.0, 2.0, 2.0), "2.000 (95 % interval 2.000 to 2.000)"),
    ],
)
def test_an_interval_is_told_in_words(interval, text):
    assert interval.text() == text
    assert "100 %" not in text and "100.0" not in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.2, "not told apart")],
)
def test_a_difference_has_a_verdict(low, high, verdict):
    assert Interval((low + high) / 2, low, high).verdict == verdict


def test_an_interval_is_plain_json():
    interval = wilson(3, 7)
    assert Interval.from_dict(json.loads(json.dumps(interval.to_dict()))) == interval


def test_stats_load_no_torch():
    import subprocess
    import sys

    program = "import sys, gradatim.stats; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("level", [0, 1, 95, float("nan")])
def test_a_level_outside_0_to_1_is_refused(level):
    for make in (lambda: wilson(1, 2, level), lambda: mean_interval([1, 2], level)):
        with pytest.raises(ValueRefusedError, match="above 0, below 1"):
            make()
