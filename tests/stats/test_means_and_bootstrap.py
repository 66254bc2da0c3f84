import math

import numpy as np
import pytest
from scipy import stats

from gradatim.errors import ValueRefusedError
from gradatim.stats import bootstrap, bootstrap_difference, mae, mean_interval, r2


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(0).normal(3, 2, 9)
    interval = mean_interval(values, 0.9, unit="s")
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    np.testing.assert_allclose((interval.low, interval.high), expected)
    assert interval.value == values.mean() and interval.n == 9 and interval.unit == "s"


def test_the_interval_of_a_mean_on_students_own_data():
    # Student 1908, section IX: extra hours of sleep by a drug, in ten patients (difference of two)
    gain = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    interval = mean_interval(gain)
    assert round(interval.value, 2) == 1.58
    assert (round(interval.low, 2), round(interval.high, 2)) == (0.70, 2.46)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, float("nan")], [[1.0, 2.0]]])
def test_a_mean_of_too_little_is_refused(values):
    with pytest.raises(ValueRefusedError, match="at least two finite numbers"):
        mean_interval(values)


@pytest.mark.parametrize("statistic", [np.mean, np.var, np.std])
def test_the_bootstrap_is_that_of_scipy(statistic):
    values = np.random.default_rng(1).exponential(size=120)
    interval = bootstrap(lambda v: statistic(v), values, resamples=6000)
    expected = stats.bootstrap(
        (values,), statistic, n_resamples=6000, method="BCa", rng=np.random.default_rng(2)
    ).confidence_interval
    assert interval.value == statistic(values)
    width = expected.high - expected.low
    np.testing.assert_allclose((interval.low, interval.high), expected, atol=0.05 * width)


def test_leaving_out_groups_corrects_like_leaving_out_samples(monkeypatch):
    values = np.random.default_rng(3).exponential(size=600) ** 2
    grouped = bootstrap(np.mean, values, resamples=4000)
    monkeypatch.setattr("gradatim.stats.resampling.GROUPS", 600)
    singly = bootstrap(np.mean, values, resamples=4000)
    width = singly.high - singly.low
    np.testing.assert_allclose(
        (grouped.low, grouped.high), (singly.low, singly.high), atol=0.05 * width
    )


def test_the_bootstrap_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(4)
    held = 0
    for trial in range(300):
        interval = bootstrap(np.mean, random.exponential(size=60), resamples=300, seed=trial)
        held += interval.low <= 1 <= interval.high
    assert 0.90 < held / 300 < 0.985


def test_the_bootstrap_is_repeatable_by_its_seed():
    values = np.arange(30.0)
    assert bootstrap(np.mean, values, seed=1) == bootstrap(np.mean, values, seed=1)
    assert bootstrap(np.mean, values, seed=1) != bootstrap(np.mean, values, seed=2)


def test_a_paired_difference_is_narrower_than_an_unpaired_one():
    random = np.random.default_rng(5)
    targets = random.normal(0, 10, 200)
    shared = random.normal(0, 3, 200)
    first, second = targets + shared, targets + shared + 0.5 * np.sign(shared)
    difference = bootstrap_difference(mae, first, second, targets, resamples=500)
    assert math.isclose(difference.value, mae(targets, first) - mae(targets, second))
    assert difference.verdict == "worse" and difference.high - difference.low < 0.01
    alone = bootstrap(mae, targets, first, resamples=500)
    assert alone.high - alone.low > 0.4


def test_a_metric_that_does_not_vary_has_an_interval_of_one_point():
    interval = bootstrap(np.mean, np.full(20, 7.0))
    assert (interval.value, interval.low, interval.high) == (7, 7, 7)


def test_resamples_without_a_value_do_not_count():
    # two samples: half of the resamples hold one of them twice, and have no r2
    interval = bootstrap(r2, [1.0, 2.2], [1.0, 2.0], resamples=300)
    assert math.isfinite(interval.low) and math.isfinite(interval.high)


def test_large_sets_get_fewer_resamples(monkeypatch):
    calls = []

    def metric(values):
        calls.append(len(values))
        return float(values.mean())

    monkeypatch.setattr("gradatim.stats.resampling.DRAWS", 300_000)
    bootstrap(metric, np.random.default_rng(6).random(1000))
    assert calls.count(1000) == 1 + 300


@pytest.mark.parametrize("arrays", [(), ([],), ([1, 2], [1])])
def test_arrays_that_cannot_be_drawn_from_are_refused(arrays):
    with pytest.raises(ValueRefusedError, match="arrays of one length"):
        bootstrap(lambda *a: 0.0, *arrays)


def test_bootstrap_difference_takes_the_metrics_of_this_room():
    random = np.random.default_rng(0)
    targets = random.normal(size=80)
    good, poor = targets + 0.1 * random.normal(size=80), np.zeros(80)
    found = bootstrap_difference(r2, good, poor, targets, resamples=200)
    assert found.value == pytest.approx(r2(good, targets) - r2(poor, targets))
    assert 0.8 < found.low < found.value < found.high
