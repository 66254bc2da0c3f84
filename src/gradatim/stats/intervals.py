"""A measured number with its uncertainty, and how both are written for people."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gradatim.errors import ValueRefusedError

Scale = Literal["share", "difference of shares", "value"]


@dataclass(frozen=True)
class Interval:
    """A value and the interval it may be in.

    Attributes:
        value: as measured.
        low: lower end of the interval.
        high: upper end of the interval.
        level: how often such intervals hold the truth, e.g. 0.95.
        n: number of samples it was measured on.
        scale: ``share`` of n (an accuracy), ``difference of shares``, or a plain ``value``.
        unit: of a plain value; empty where it has none.
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    n: int = 0
    scale: Scale = "value"
    unit: str = ""

    @property
    def verdict(self) -> Literal["better", "worse", "not told apart"]:
        """What a difference says: whether its interval lies above, below or across 0."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not told apart"

    def text(self) -> str:
        """Return e.g. ``98.1 % (353 of 360; 95 % interval 96.0 to 99.1 %)``."""
        level = f"{100 * self.level:g} % interval"
        if self.scale == "share":
            interval = f"{level} {_range(self.low, self.high)}"
            if not self.n:
                return f"{percent(self.value)} ({interval})"
            count = f"{round(self.value * self.n):,} of {self.n:,}"
            if self.value in (0, 1):
                return f"{count} ({interval})"
            return f"{percent(self.value)} ({count}; {interval})"
        if self.scale == "difference of shares":
            low, high = f"{100 * self.low:+.1f}", f"{100 * self.high:+.1f}"
            return f"{100 * self.value:+.1f} percentage points ({level} {low} to {high})"
        digits = _digits(self.low, self.high)
        unit = f" {self.unit}" if self.unit else ""
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.value:.{digits}f}{unit} ({level} {low} to {high}{unit})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Interval:
        """Read what ``to_dict`` wrote."""
        return cls(**values)


def percent(share: float, n: int = 0) -> str:
    """Return a share as per cent with one decimal, never ``100 %``.

    A share just below 1 gets the decimals it needs. A share of exactly 1 of n samples says no more
    than that fewer than 1 in n were otherwise, and is written so: ``> 99.7 %`` of 360.

    Args:
        share: from 0 to 1.
        n: number of samples; 0 when unknown.
    """
    if share >= 1:
        bound = math.floor(1000 * (1 - 1 / n)) / 10 if n else 99.9
        return f"> {bound:.1f} %"
    for digits in range(1, 16):
        text = f"{100 * share:.{digits}f}"
        if not text.startswith("100"):
            return f"{text} %"
    return "> 99.9 %"


def check_level(level: float) -> None:
    """Refuse a level that no interval can have."""
    if not 0 < level < 1:
        raise ValueRefusedError(
            "the level of an interval is out of range", given=level, allowed="above 0, below 1"
        )


def _range(low: float, high: float) -> str:
    """Return the ends of an interval of shares; an end at 0 or 1 is no claim and left out."""
    if high >= 1:
        return f"from {percent(low)}" if low > 0 else "anything"
    if low <= 0:
        return f"up to {percent(high)}"
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def _digits(low: float, high: float) -> int:
    """Return decimals that show two significant digits of the interval's width."""
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return 3
    return min(max(1 - math.floor(math.log10(width)), 0), 9)
