import math

import numpy as np
import pytest

from gradatim.errors import ValueRefusedError
from gradatim.stats import bits_saved, language_report

RNG = np.random.default_rng(0)


def test_even_guessing_takes_the_logarithm_of_the_number_of_characters():
    report = language_report(np.full((5, 7), -math.log(16)))
    assert report.bits.value == pytest.approx(4)
    assert report.perplexity.value == pytest.approx(16)
    assert report.characters == 35
    event = report.to_event()
    assert (event["metric"], event["samples"]) == ("bits-per-character", 5)
    assert event["language"]["perplexity"] == pytest.approx(16)


def test_the_interval_is_that_of_means_of_passages():
    """Against Student's interval of the passages' means, close for many passages."""
    hard = RNG.normal(2.0, 0.4, (400, 1)) + RNG.normal(0, 0.2, (400, 20))
    logs = -np.abs(hard)
    report = language_report(logs)
    means = -logs.mean(axis=1) / math.log(2)
    half = 1.966 * means.std(ddof=1) / 20
    assert report.bits.value == pytest.approx(means.mean())
    assert report.bits.low == pytest.approx(means.mean() - half, abs=0.15 * half)
    assert report.bits.high == pytest.approx(means.mean() + half, abs=0.15 * half)
    assert report.perplexity.low == pytest.approx(2**report.bits.low)


def test_bits_saved_are_paired():
    before = -np.abs(RNG.normal(3.0, 1.0, (300, 10)))
    after = before + 0.1 * math.log(2)
    after = np.minimum(after, 0)
    saved = bits_saved(before, after)
    assert saved.value == pytest.approx(0.1, abs=0.003)
    assert saved.high - saved.low < 0.01 < language_report(before).bits.high * 0.01
    assert saved.verdict == "better"
    assert bits_saved(after, before).verdict == "worse"


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        (np.zeros((0, 3)), "passages"),
        (np.zeros(3), "passages"),
        (np.full((2, 2), 0.5), "at most 0"),
        (np.full((2, 2), np.nan), "at most 0"),
    ],
)
def test_what_is_no_logarithm_is_refused(logs, said):
    with pytest.raises(ValueRefusedError, match=said):
        language_report(logs)


def test_other_passages_are_refused():
    with pytest.raises(ValueRefusedError, match="different passages"):
        bits_saved(np.zeros((2, 3)), np.zeros((3, 3)))
