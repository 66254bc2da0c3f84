"""Numbers as people read them; every page and chart writes them the same way."""

from __future__ import annotations

import math

from gradatim.core.duration import write_seconds

NONE = "–"


def count(value: float | None) -> str:
    """Return a whole number with separators: ``11,173,962``."""
    return NONE if value is None else f"{value:,.0f}"


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits and without an exponent where it is short."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    value = float(f"{value:.{digits - 1}e}")  # 0.09999 is rounded before its power is taken
    power = math.floor(math.log10(abs(value)))
    if -5 <= power < 7:
        text = f"{value:,.{max(0, digits - 1 - power)}f}"
    else:
        text = f"{value:.{digits - 1}e}"
    return text.replace("-", "−", 1) if value < 0 else text


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as per cent: ``98.3 %``; a share of exactly 1 or 0 is ``all`` or ``none``.

    No number of samples shows that every other one would be right too, so ``100 %`` is not written.
    """
    if share is None:
        return NONE
    if share in (0, 1):
        return "all" if share else "none"
    while digits < 6 and round(100 * share, digits) in (0, 100):
        digits += 1
    return f"{minus(100 * share, digits)}\N{NO-BREAK SPACE}%"


def minus(value: float, digits: int, sign: bool = False) -> str:
    """Return a number with a fixed count of decimals and a true minus sign; never ``−0.0``."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if sign else ''},.{digits}f}".replace("-", "−")


def points(difference: float, digits: int = 1) -> str:
    """Return a difference of two shares in percentage points: ``+1.4 points``."""
    return f"{minus(100 * difference, digits, sign=True)} points"


def seconds(value: float | None) -> str:
    """Return a duration: ``85 µs``, ``3.1 ms``, ``12.4 s``, ``4 min 05 s``, ``1 h 12 min``."""
    return NONE if value is None else write_seconds(value).replace(" ", "\N{NO-BREAK SPACE}")


def metric(name: str, value: float | None) -> str:
    """Return a metric in its own form: a share as per cent, anything else with three decimals."""
    if value is None:
        return NONE
    return percent(value) if is_share(name) else minus(value, 3)


def interval(name: str, low: float | None, high: float | None) -> str:
    """Return an interval of a metric: ``96.4 to 99.2 %``, or ``from 97.9 %`` where it ends at 1."""
    if low is None or high is None:
        return NONE
    if is_share(name):
        return f"from {percent(low)}" if high >= 1 else f"{minus(100 * low, 1)} to {percent(high)}"
    return f"{minus(low, 3)} to {minus(high, 3)}"


def difference(name: str, value: float) -> str:
    """Return a difference of two metrics with its sign."""
    return points(value) if is_share(name) else minus(value, 3, sign=True)


def is_share(name: str) -> bool:
    """Say whether a metric is a share of samples, shown as per cent."""
    return name in ("accuracy", "precision", "recall") or name.startswith("top")


def name_of(metric_name: str) -> str:
    """Return a metric's name as written in a sentence."""
    if metric_name == "bits-per-character":
        return "bits per character"
    return {"r2": "R²", "mae": "mean absolute error", "rmse": "root mean squared error"}.get(
        metric_name, metric_name
    )
