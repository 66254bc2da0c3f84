"""Which way a metric points: most are better the larger they are, some the smaller."""

from __future__ import annotations

LOWER_IS_BETTER = frozenset({"bits-per-character", "loss", "mae", "rmse"})


def rank(metric: str, value: float) -> float:
    """Return a number that is the larger the better the value of the metric is."""
    return -value if metric in LOWER_IS_BETTER else value
