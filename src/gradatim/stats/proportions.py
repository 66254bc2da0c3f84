"""Shares of samples: how sure one is, and whether two on the same samples differ."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gradatim.errors import ValueRefusedError
from gradatim.stats.intervals import Interval, check_level


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Return the score interval of a share: ``k`` of ``n``.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference",
    JASA 22, 209-212; method 3 of Newcombe 1998, Statistics in Medicine 17, 857-872. It stays
    inside 0 to 1 and holds the truth about as often as it says, even where k is 0 or n.

    Raises:
        ValueRefusedError: not 0 <= k <= n with n >= 1, or a level outside (0, 1).
    """
    check_level(level)
    if n < 1 or not 0 <= k <= n:
        raise ValueRefusedError(
            "a share needs at least one sample", given=f"{k} of {n}", allowed="0 of 1 up to n of n"
        )
    low, high = _wilson_ends(k, n, level)
    return Interval(k / n, low, high, level, n, "share")


def _wilson_ends(k: int, n: int, level: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    # at the ends the formula gives exactly 0 and 1, but for rounding
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


class Pairs(NamedTuple):
    """How often each of two classifiers was right, counted on the same samples."""

    both: int
    first_only: int
    second_only: int
    neither: int


def count_pairs(first: ArrayLike, second: ArrayLike) -> Pairs:
    """Count on which samples each of two was right.

    Args:
        first: N booleans: whether the first was right on each sample.
        second: likewise, on the same samples in the same order.

    Raises:
        ValueRefusedError: different numbers of samples, or none.
    """
    one, two = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if one.shape != two.shape or one.ndim != 1 or not len(one):
        raise ValueRefusedError(
            "two classifiers can only be paired on the same samples",
            given=f"{one.shape} and {two.shape}",
            allowed="two sequences of one length, at least 1",
        )
    return Pairs(
        int((one & two).sum()),
        int((one & ~two).sum()),
        int((~one & two).sum()),
        int((~one & ~two).sum()),
    )


def paired_difference(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Interval:
    """Return the accuracy of the first less that of the second, on the same samples.

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial
    proportions based on paired data", Statistics in Medicine 17, 2635-2650, method 10: the score
    intervals of both shares, joined with their correlation (corrected for continuity where it is
    positive).

    Args:
        first: N booleans: whether the first was right on each sample.
        second: likewise, on the same samples in the same order.
        level: of the interval.

    Raises:
        ValueRefusedError: different numbers of samples, none, or a level outside (0, 1).
    """
    check_level(level)
    both, first_only, second_only, neither = pairs = count_pairs(first, second)
    n = sum(pairs)
    k_first, k_second = both + first_only, both + second_only
    low_first, high_first = _wilson_ends(k_first, n, level)
    low_second, high_second = _wilson_ends(k_second, n, level)
    below_first, above_first = k_first / n - low_first, high_first - k_first / n
    below_second, above_second = k_second / n - low_second, high_second - k_second / n
    product: float = both * neither - first_only * second_only
    if product > 0:
        product = max(product - n / 2, 0)
    spread = math.sqrt(k_first * (n - k_first)) * math.sqrt(k_second * (n - k_second))
    correlation = product / spread if spread > 0 else 0.0
    difference = (first_only - second_only) / n
    down = _join(below_first, above_second, correlation)
    up = _join(above_first, below_second, correlation)
    return Interval(
        difference, difference - down, difference + up, level, n, "difference of shares"
    )


def _join(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(one * one - 2 * correlation * one * other + other * other, 0.0))


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """Return the exact two-sided p-value that two classifiers are right equally often.

    Source: McNemar 1947, Psychometrika 12, 153-157, with the binomial distribution: of the
    samples on which only one was right, each was as likely to be the first's as the second's.

    Args:
        first: N booleans: whether the first was right on each sample.
        second: likewise, on the same samples in the same order.
    """
    _, first_only, second_only, _ = count_pairs(first, second)
    n, fewer = first_only + second_only, min(first_only, second_only)
    term = total = 1  # binomial coefficients, in whole numbers: exact for any n
    for i in range(fewer):
        term = term * (n - i) // (i + 1)
        total += term
    return min(1.0, float(2 * total / 2**n))
