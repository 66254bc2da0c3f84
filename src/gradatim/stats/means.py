"""Means of few numbers, such as one result for each seed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from gradatim.errors import ValueRefusedError
from gradatim.stats.intervals import Interval, check_level


def mean_interval(values: ArrayLike, level: float = 0.95, unit: str = "") -> Interval:
    """Return the mean with the interval of Student's t.

    Source: Student 1908, "The probable error of a mean", Biometrika 6, 1-25: the mean plus and
    minus t times s / sqrt(n), with n - 1 degrees of freedom.

    Args:
        values: at least two numbers.
        level: of the interval.
        unit: of the values, for the text.

    Raises:
        ValueRefusedError: fewer than two numbers, one not finite, or a level outside (0, 1).
    """
    check_level(level)
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) < 2 or not np.isfinite(numbers).all():
        raise ValueRefusedError(
            "the interval of a mean needs at least two finite numbers", given=numbers.tolist()
        )
    from scipy.special import stdtrit

    n = len(numbers)
    mean = float(numbers.mean())
    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(numbers.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, level, n, "value", unit)
