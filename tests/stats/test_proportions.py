import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from gradatim.errors import ValueRefusedError
from gradatim.stats import count_pairs, mcnemar, paired_difference, wilson


def pairs(both, first_only, second_only, neither):
    counts = [both, first_only, second_only, neither]
    return np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_examples(k, n, low, high):
    interval = wilson(k, n)
    assert interval.value == k / n and interval.n == n
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 17), (353, 360), (500, 1000)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_that_of_scipy(k, n, level):
    interval = wilson(k, n, level)
    expected = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    np.testing.assert_allclose((interval.low, interval.high), expected, atol=1e-12)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_wilson_ends_solve_the_equation_of_the_score_test():
    interval = wilson(7, 30)
    z = stats.norm.ppf(0.975)

    def score(p):
        return (7 / 30 - p) ** 2 - z**2 * p * (1 - p) / 30

    assert math.isclose(interval.low, optimize.brentq(score, 0, 7 / 30), abs_tol=1e-9)
    assert math.isclose(interval.high, optimize.brentq(score, 7 / 30, 1), abs_tol=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_wilson_holds_the_truth_as_often_as_it_says(share):
    n = 200
    held = [wilson(k, n).low <= share <= wilson(k, n).high for k in range(n + 1)]
    coverage = (stats.binom.pmf(np.arange(n + 1), n, share) * held).sum()  # exact
    assert 0.93 < coverage < 0.98


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ValueRefusedError, match=f"'{k} of {n}'"):
        wilson(k, n)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 2635-2650, table II, method 10
        ((36, 12, 2, 0), 0.0569, 0.3404),
        # Fagerland, Lydersen and Laake 2017, "Statistical analysis of contingency tables",
        # chapter 8: the trials of Cavo et al. 2012 and Bentur et al. 2009
        ((59, 6, 16, 80), -0.1186, -0.0046),
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_the_paired_interval_gives_the_published_examples(table, low, high):
    interval = paired_difference(*pairs(*table))
    assert interval.value == (table[1] - table[2]) / sum(table)
    digits = 4 if round(low, 3) != low else 3
    assert (round(interval.low, digits), round(interval.high, digits)) == (low, high)


def test_swapping_the_two_mirrors_the_paired_interval():
    first, second = pairs(50, 9, 3, 20)
    one, other = paired_difference(first, second), paired_difference(second, first)
    np.testing.assert_allclose((one.low, one.high), (-other.high, -other.low), atol=1e-12)


def test_without_any_difference_the_paired_interval_is_around_0():
    interval = paired_difference(*pairs(90, 0, 0, 10))
    assert interval.value == 0 and interval.low < 0 < interval.high
    assert paired_difference(*pairs(5, 0, 0, 0)).verdict == "not told apart"


@pytest.mark.parametrize("cells", [(0.80, 0.08, 0.04, 0.08), (0.93, 0.03, 0.03, 0.01)])
def test_the_paired_interval_holds_the_truth_as_often_as_it_says(cells):
    truth = cells[1] - cells[2]
    drawn = np.random.default_rng(0).multinomial(150, cells, size=1500)
    intervals = [paired_difference(*pairs(*table)) for table in drawn]
    coverage = np.mean([i.low <= truth <= i.high for i in intervals])
    assert 0.935 < coverage < 0.985


@pytest.mark.parametrize("table", list(itertools.product([0, 3], [0, 1, 12], [0, 5], [1])))
def test_mcnemar_is_the_binomial_test_of_the_samples_only_one_got_right(table):
    p = mcnemar(*pairs(*table))
    differing = table[1] + table[2]
    expected = stats.binomtest(table[1], differing).pvalue if differing else 1.0
    assert math.isclose(p, expected, rel_tol=1e-9)


def test_mcnemar_is_exact_for_many_samples():
    p = mcnemar(*pairs(0, 2600, 2400, 0))
    assert math.isclose(p, stats.binomtest(2400, 5000).pvalue, rel_tol=1e-9)


def test_pairs_are_counted_on_the_same_samples():
    assert count_pairs([1, 1, 0, 0, 1], [1, 0, 1, 0, 1]) == (2, 1, 1, 1)
    for first, second in [([1, 0], [1]), ([], []), ([[1]], [[1]])]:
        with pytest.raises(ValueRefusedError, match="on the same samples"):
            count_pairs(first, second)
