"""How single values of a table are read: texts, numbers in their many spellings, dates."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

MISSING = ("", "-", "--", "?", ".", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing")
"""Texts that mean "no value", in any case."""

READABLE_SHARE = 0.95
"""A text column is numeric (or a date) when at least this share of its values can be read so."""

DAY = 86_400_000_000
"""Microseconds."""

DATE_LIKE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
CODE = r"^0\d+$"
"""A number with leading zeros is a code, not a quantity."""

_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$"
_SPACED = r"^[+-]?\d{1,3}(['\u00a0\u202f ]\d{3})+([.,]\d+)?$"
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y")
_CLOCKS = (
    " %H:%M:%S%.f",
    "T%H:%M:%S%.f",
    " %H:%M",
    "T%H:%M",
    "T%H:%M:%S%.fZ",
    " %H:%M:%S%.f%z",
    "T%H:%M:%S%.f%z",
)


def text_of(series: pl.Series, missing: Sequence[str] = MISSING) -> pl.Series:
    """Return the column as stripped text, with every way of writing "no value" as null."""
    text = series.cast(pl.String).str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(missing), None)


def decimal_sign(text: pl.Series) -> tuple[str, float]:
    """Return the decimal sign that reads most values of a text column, and the share it reads.

    ``1,234`` alone reads as a thousand; beside ``3,14`` the comma is the decimal sign.
    """
    values = _bare(text.drop_nulls())
    if values.len() == 0:
        return ".", 0.0
    point = _share(values.str.contains(_PLAIN) | values.str.contains(_THOUSANDS))
    comma = _share(values.str.contains(_DECIMAL_COMMA))
    return (",", comma) if comma > point else (".", point)


def numbers(series: pl.Series, decimal: str = ".") -> pl.Series:
    """Return the column as Float64; what is not a finite number is null."""
    if series.dtype == pl.String:
        text = _bare(text_of(series))
        thousands, sign = (",", ".") if decimal == "." else (".", ",")
        pattern = rf"{_PLAIN}|{_THOUSANDS}" if decimal == "." else _DECIMAL_COMMA
        text = text.set(~text.str.contains(pattern), None)
        text = text.str.replace_all(thousands, "", literal=True)
        series = text.str.replace_all(sign, ".", literal=True)
    elif series.dtype == pl.Duration:
        series = series.dt.total_microseconds() / 1e6
    elif series.dtype == pl.Time:
        series = series.cast(pl.Int64) / 1e9
    values = series.cast(pl.Float64, strict=False)
    return values.set(~values.is_finite(), None)


def dates(series: pl.Series, form: str) -> pl.Series:
    """Return the column as times in UTC, in microseconds; what is no date is null.

    Args:
        series: dates, times or text.
        form: how dates written as text are read; found from the values when empty.
    """
    if series.dtype not in (pl.Date, pl.Datetime):
        text = text_of(series)
        form = form or date_format(text.drop_nulls())[0]
        series = text.str.to_datetime(form or _DATES[0], strict=False, time_unit="us")
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.cast(pl.Datetime("us"))


def date_format(values: pl.Series) -> tuple[str, float]:
    """Return the format that reads most values of a text column, and the share it reads.

    The format is empty when none reads enough of them.
    """
    if values.len() == 0:
        return "", 0.0
    best, best_share = "", 0.0
    for date in _DATES:
        for form in (date, *(date + clock for clock in _CLOCKS)):
            share = 1.0 - values.str.to_datetime(form, strict=False).null_count() / values.len()
            if share > best_share:
                best, best_share = form, share
    return (best, best_share) if best_share >= READABLE_SHARE else ("", best_share)


def days(times: pl.Series) -> pl.Series:
    """Return days since 1970-01-01, with the time of day as a fraction."""
    return times.dt.epoch("us") / DAY


def examples(values: pl.Series) -> str:
    """Return the first few different values, quoted."""
    return ", ".join(repr(value) for value in values.unique(maintain_order=True).head(3).to_list())


def _share(mask: pl.Series) -> float:
    return float(mask.sum()) / max(mask.len(), 1)


def _bare(text: pl.Series) -> pl.Series:
    """Drop what stands around and inside a number; truth values become 1 and 0."""
    text = text.str.replace_all(r"^[$€£¥] ?| ?[$€£¥%]$", "")
    text = text.str.replace(r"^(?i:true)$", "1").str.replace(r"^(?i:false)$", "0")
    joined = text.str.replace_all(r"['\u00a0\u202f ]", "")
    return joined.zip_with(text.str.contains(_SPACED).fill_null(False), text)
