"""The interval of any metric, by measuring it again on samples drawn from the samples."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from gradatim.errors import ValueRefusedError
from gradatim.stats.intervals import Interval, check_level

DRAWS = 100_000_000
"""Samples drawn at most in all resamples together: large sets get fewer resamples, down to 200."""

GROUPS = 200
"""Groups left out in turn for the acceleration; up to so many samples are left out singly."""

Metric = Callable[..., float]


def bootstrap(
    metric: Metric,
    *arrays: ArrayLike,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    unit: str = "",
) -> Interval:
    """Return a metric with its bias-corrected and accelerated (BCa) bootstrap interval.

    Source: Efron 1987, "Better bootstrap confidence intervals", JASA 82, 171-185; the bias comes
    from the share of resamples below the measured value, the acceleration from leaving samples out
    in turn (in at most 200 groups, whose effects have the same expected skewness).

    Args:
        metric: takes the arrays, returns a number; where that is not finite the resample does not
            count.
        arrays: of N samples each; the same samples are drawn from all, so that they stay paired.
        level: of the interval.
        resamples: at most; see ``DRAWS``.
        seed: of the draws.
        unit: of the metric, for the text.

    Raises:
        ValueRefusedError: arrays of different or no length, or a level outside (0, 1).
    """
    check_level(level)
    samples = [np.asarray(array) for array in arrays]
    lengths = [len(array) for array in samples]
    if not lengths or len(set(lengths)) != 1 or lengths[0] < 1:
        raise ValueRefusedError(
            "the bootstrap needs arrays of one length, at least 1", given=lengths
        )
    n = lengths[0]
    value = float(metric(*samples))
    random = np.random.Generator(np.random.Philox(seed))
    count = min(resamples, max(200, DRAWS // n))
    drawn = np.array([_on(metric, samples, random.integers(0, n, n)) for _ in range(count)])
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or drawn.min() == drawn.max():
        edge = float(drawn[0]) if len(drawn) else float("nan")
        return Interval(value, edge, edge, level, n, "value", unit)
    group = random.permutation(n) % min(n, GROUPS)
    left_out = np.array([_on(metric, samples, group != g) for g in range(group.max() + 1)])
    low, high = np.quantile(drawn, _shares(drawn, value, left_out, level))
    return Interval(value, float(low), float(high), level, n, "value", unit)


def bootstrap_difference(
    metric: Metric,
    first: ArrayLike,
    second: ArrayLike,
    targets: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    unit: str = "",
) -> Interval:
    """Return ``metric(first, targets) - metric(second, targets)`` with its bootstrap interval.

    Both are measured on the same resamples, so what makes samples hard for both cancels out.
    Arguments and errors are those of ``bootstrap``.
    """

    def difference(first: np.ndarray, second: np.ndarray, targets: np.ndarray) -> float:
        return metric(first, targets) - metric(second, targets)

    return bootstrap(
        difference, first, second, targets, level=level, resamples=resamples, seed=seed, unit=unit
    )


def _on(metric: Metric, arrays: list[np.ndarray], chosen: np.ndarray) -> float:
    return float(metric(*(array[chosen] for array in arrays)))


def _shares(drawn: np.ndarray, value: float, left_out: np.ndarray, level: float) -> list[float]:
    """Return which quantiles of the resampled values are the ends of the interval."""
    normal = NormalDist()
    below = ((drawn < value).sum() + (drawn == value).sum() / 2) / len(drawn)
    bias = normal.inv_cdf(min(max(below, 0.5 / len(drawn)), 1 - 0.5 / len(drawn)))
    effects = left_out[np.isfinite(left_out)]
    effects = effects.mean() - effects if len(effects) else np.zeros(1)
    spread = (effects**2).sum()
    acceleration = (effects**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    shares = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + normal.inv_cdf(tail)
        shares.append(normal.cdf(bias + shifted / (1 - acceleration * shifted)))
    return shares
