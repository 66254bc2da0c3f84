"""Times as people write them."""

from __future__ import annotations

import re

from gradatim.errors import ValueRefusedError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def read_seconds(text: str | float) -> float:
    """Read a time such as ``90s``, ``10m``, ``1h``, ``1h30m``, or a number of seconds.

    Raises:
        ValueRefusedError: the text is not a time, or the time is not above zero.
    """
    word = str(text).strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", word):
        word += "s"
    total = 0.0
    if re.fullmatch(r"(\d+(\.\d+)?[smh])+", word):
        parts = re.findall(r"([\d.]+)([smh])", word)
        total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if total <= 0:
        raise ValueRefusedError(
            "this is not a time", given=text, allowed="90s, 10m, 1h, 1h30m, or seconds"
        )
    return total


def write_seconds(seconds: float) -> str:
    """Return a time as people read it: ``0.8 ms``, ``4.2 s``, ``3 min 05 s``, ``1 h 02 min``."""
    for size, unit in ((1e-6, "µs"), (1e-3, "ms")):
        if seconds < 1000 * size:
            short = seconds / size
            return f"{short:.0f} {unit}" if short >= 9.95 else f"{short:.1f} {unit}"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
