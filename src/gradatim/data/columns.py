"""How the columns of a table become numbers.

A column is a number, a category or a date. What it is, is decided from all its values
(``describe``); medians and categories are learnt from the training rows only (``learn``); every
table after that, the one to be predicted included, is read the same way (``encode``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from gradatim.core.talk import SILENCE, Talk
from gradatim.errors import ColumnError

MISSING = ("", "-", "--", "?", ".", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing")
"""Texts that mean "no value", in any case."""

READABLE_SHARE = 0.95
"""A text column is numeric (or a date) when at least this share of its values can be read so;
with too many different values for categories, more than half is enough for a number."""

MOST_CATEGORIES = 50
"""At most this many categories get a feature of their own; the rarer ones share one."""

DAY = 86_400_000_000
"""Microseconds."""

_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$"
_SPACED = r"^[+-]?\d{1,3}(['\u00a0\u202f ]\d{3})+([.,]\d+)?$"
_CODE = r"^0\d+$"
_ROW_NUMBER_NAME = (
    r"^$|(?i:^unnamed.*|^(.*[ _.-])?(id|idx|index|row|key|uuid|nr|no)$)|^\w*[a-z]I[dD]$"
)
_DATE_LIKE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
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


@dataclass(frozen=True)
class Column:
    """How one column becomes features.

    Attributes:
        name: the column's name in the table.
        kind: ``number``, ``category`` or ``date``.
        fill: what a missing number or date counts as: the median of the training rows.
        flag: whether a further feature says where the value was missing.
        categories: those with a feature of their own, the most frequent first.
        other: whether one more feature stands for all other categories.
        decimal: the decimal sign of numbers written as text.
        format: how dates written as text are read.
        clock: whether a date has a time of day.
    """

    name: str
    kind: Literal["number", "category", "date"]
    fill: float = 0.0
    flag: bool = False
    categories: tuple[str, ...] = ()
    other: bool = False
    decimal: str = "."
    format: str = ""
    clock: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features this column becomes."""
        if self.kind == "number":
            names = [self.name]
        elif self.kind == "date":
            names = [f"{self.name} {part}" for part in ("day", "month", "weekday")]
            names += [f"{self.name} hour"] if self.clock else []
        else:
            names = [f"{self.name} = {category}" for category in self.categories]
            names += [f"{self.name} = (other)"] if self.other else []
        return (*names, f"{self.name} missing") if self.flag else tuple(names)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without those that are as by default."""
        default = asdict(Column(self.name, self.kind))
        values = {k: v for k, v in asdict(self).items() if v != default[k]}
        return {"name": self.name, "kind": self.kind} | values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Column:
        """Read what ``to_dict`` wrote."""
        return cls(**{**values, "categories": tuple(values.get("categories", ()))})


@dataclass(frozen=True)
class Described:
    """What the columns of a table are: those used, those left out with reasons, and notes."""

    columns: tuple[Column, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


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


def describe(frame: pl.DataFrame) -> Described:
    """Decide for every column of a table (without its target) what it is, or why it is not used."""
    columns: list[Column] = []
    left_out: list[tuple[str, str]] = []
    notes: list[str] = []
    for series in frame.get_columns():
        column, said = _describe_one(series)
        if column is None:
            left_out.append((series.name, said))
        else:
            columns.append(column)
            notes += [said] if said else []
    return Described(tuple(columns), tuple(left_out), tuple(notes))


def learn(
    columns: Sequence[Column], frame: pl.DataFrame
) -> tuple[tuple[Column, ...], tuple[tuple[str, str], ...]]:
    """Learn medians and categories from the training rows.

    Returns:
        the columns that say something, and (name, reason) of those that are constant.
    """
    kept: list[Column] = []
    left_out: list[tuple[str, str]] = []
    for column in columns:
        values = _read(frame[column.name], column)
        missing = values.null_count()
        distinct = values.drop_nulls().n_unique()
        if distinct == 0:
            left_out.append((column.name, "no training row has a value"))
        elif distinct == 1 and not missing:
            left_out.append((column.name, "constant: one value in all training rows"))
        elif column.kind == "category":
            kept.append(_learn_categories(column, values, missing > 0))
        else:
            days = _days(values) if column.kind == "date" else values
            median = days.median()
            kept.append(replace(column, fill=float(median), flag=missing > 0))  # type: ignore[arg-type]
    return tuple(kept), tuple(left_out)


def encode(columns: Sequence[Column], frame: pl.DataFrame, talk: Talk = SILENCE) -> np.ndarray:
    """Return the features of a table, ``N x D`` float32.

    Missing numbers and dates take the training median; a category that was never seen counts as
    one of the rare ones where there were any, else as none of the known; both are said.

    Raises:
        ColumnError: the table lacks a column.
    """
    absent = [column.name for column in columns if column.name not in frame.columns]
    if absent:
        raise ColumnError(
            f"the table lacks {'a column' if len(absent) == 1 else 'columns'} the model needs",
            given=absent[0] if len(absent) == 1 else ", ".join(absent),
            allowed=frame.columns,
            next_step=f"it needs: {', '.join(column.name for column in columns)}",
        )
    width = sum(len(column.features) for column in columns)
    features = np.empty((frame.height, width), np.float32)
    start = 0
    for column in columns:
        block = _features(column, frame[column.name], talk)
        features[:, start : start + block.shape[1]] = block
        start += block.shape[1]
    return features


def _share(mask: pl.Series) -> float:
    return float(mask.sum()) / max(mask.len(), 1)


def _bare(text: pl.Series) -> pl.Series:
    """Drop what stands around and inside a number; truth values become 1 and 0."""
    text = text.str.replace_all(r"^[$€£¥] ?| ?[$€£¥%]$", "")
    text = text.str.replace(r"^(?i:true)$", "1").str.replace(r"^(?i:false)$", "0")
    joined = text.str.replace_all(r"['\u00a0\u202f ]", "")
    return joined.zip_with(text.str.contains(_SPACED).fill_null(False), text)


def _examples(values: pl.Series) -> str:
    return ", ".join(repr(value) for value in values.unique(maintain_order=True).head(3).to_list())


def _describe_one(series: pl.Series) -> tuple[Column | None, str]:
    """Return the column and a note on it, or None and the reason why it is left out."""
    name, kind = series.name, series.dtype
    if kind.is_nested() or kind in (pl.Object, pl.Binary):
        return None, f"holds values of type {kind}, which no feature is made of"
    if kind == pl.Null or series.null_count() == series.len():
        return None, "has no values"
    if kind in (pl.Date, pl.Datetime):
        return Column(name, "date", clock=kind == pl.Datetime and _has_clock(series)), ""
    if kind.is_numeric() or kind in (pl.Boolean, pl.Duration, pl.Time):
        return _number_or_row_number(Column(name, "number"), series, "")
    return _describe_text(name, text_of(series))


def _describe_text(name: str, text: pl.Series) -> tuple[Column | None, str]:
    values = text.drop_nulls()
    if values.len() == 0:
        return None, "has no values"
    codes = values.str.contains(_CODE).any()
    decimal, share = decimal_sign(text)
    enough = 0.5 if values.n_unique() > MOST_CATEGORIES else READABLE_SHARE
    if share >= enough and not codes:
        read = numbers(text, decimal)
        unread = text.filter(text.is_not_null() & read.is_null())
        note = (
            f"column {name!r}: {unread.len():,} of {text.len():,} values are not numbers "
            f"({_examples(unread)}) and count as missing"
            if unread.len()
            else ""
        )
        if decimal == ",":
            note = "; ".join(
                filter(None, (f"column {name!r}: the comma is the decimal sign", note))
            )
        return _number_or_row_number(Column(name, "number", decimal=decimal), text, note)
    if share < READABLE_SHARE and values.str.contains(_DATE_LIKE).mean() >= READABLE_SHARE:  # type: ignore[operator]
        dated = _date_column(name, values)
        if dated is not None:
            return dated
    return _category_or_identifier(name, values, "written with leading zeros" if codes else "")


def _number_or_row_number(
    column: Column, series: pl.Series, note: str
) -> tuple[Column | None, str]:
    """Leave out numbers that only count the rows: an identifier's name, whole and all distinct."""
    named = pl.Series([column.name]).str.contains(_ROW_NUMBER_NAME).item()
    if named and series.len() >= 10:
        values = numbers(series, column.decimal).drop_nulls()
        if values.len() and values.n_unique() == series.len() and (values == values.floor()).all():
            return None, "a row number: every value is different"
    return column, note


def _category_or_identifier(name: str, values: pl.Series, why: str) -> tuple[Column | None, str]:
    distinct = values.n_unique()
    if values.len() >= 10 and distinct == values.len():
        return None, "an identifier: every value is different"
    if distinct > MOST_CATEGORIES and distinct > values.len() / 2:
        return None, f"free text or an identifier: {distinct:,} values in {values.len():,} rows"
    return Column(name, "category"), f"column {name!r}: a category, {why}" if why else ""


def _date_column(name: str, values: pl.Series) -> tuple[Column, str] | None:
    """Return the date column whose format reads most values, or None."""
    if values.len() == 0:
        return None
    best, best_share = "", 0.0
    for date in _DATES:
        for form in (date, *(date + clock for clock in _CLOCKS)):
            share = 1.0 - values.str.to_datetime(form, strict=False).null_count() / values.len()
            if share > best_share:
                best, best_share = form, share
    if best_share < READABLE_SHARE:
        return None
    clock = "%H" in best
    swapped = best.replace("%m/%d", "%d/%m")
    ambiguous = swapped != best and not values.str.to_datetime(swapped, strict=False).null_count()
    notes = [f"column {name!r}: dates could be read either way; the month is taken to be first"]
    notes = notes if ambiguous else []
    if best_share < 1.0:
        read = values.str.to_datetime(best, strict=False)
        unread = values.filter(read.is_null())
        notes.append(
            f"column {name!r}: {unread.len():,} values are not dates ({_examples(unread)}) "
            "and count as missing"
        )
    return Column(name, "date", format=best, clock=clock), "; ".join(notes)


def _has_clock(dates: pl.Series) -> bool:
    return bool((dates.dt.truncate("1d") != dates).any())


def _read(series: pl.Series, column: Column) -> pl.Series:
    """Return the column's values as Float64, Datetime or String, with null where none is."""
    if column.kind == "number":
        return numbers(series, column.decimal)
    if column.kind == "category":
        return text_of(series)
    if series.dtype in (pl.Date, pl.Datetime):
        return _without_zone(series)
    text = text_of(series)
    found = None if column.format else _date_column(column.name, text.drop_nulls())
    form = column.format or (found[0].format if found else _DATES[0])
    return _without_zone(text.str.to_datetime(form, strict=False, time_unit="us"))


def _without_zone(dates: pl.Series) -> pl.Series:
    """Return dates and times as they are in UTC, in microseconds."""
    if isinstance(dates.dtype, pl.Datetime) and dates.dtype.time_zone is not None:
        dates = dates.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return dates.cast(pl.Datetime("us"))


def _days(dates: pl.Series) -> pl.Series:
    """Return days since 1970-01-01, with the time of day as a fraction."""
    return dates.dt.epoch("us") / DAY


def _learn_categories(column: Column, values: pl.Series, missing: bool) -> Column:
    counts = values.drop_nulls().rename("value").value_counts(name="rows")
    counts = counts.sort("rows", "value", descending=[True, False])
    names = counts["value"].to_list()
    return replace(
        column,
        categories=tuple(names[:MOST_CATEGORIES]),
        other=len(names) > MOST_CATEGORIES,
        flag=missing,
    )


def _features(column: Column, series: pl.Series, talk: Talk) -> np.ndarray:
    """Return the features of one column, ``N x len(column.features)``."""
    values = _read(series, column)
    missing = values.is_null().to_numpy()
    if column.kind == "number":
        blocks = [values.fill_null(column.fill).to_numpy()[:, None]]
    elif column.kind == "date":
        blocks = [_date_features(column, values)]
    else:
        blocks = [_one_hot(column, values, missing, talk)]
    unread = _unread(series, values)
    if unread.len() and column.kind != "category":
        talk.warn(
            f"column {column.name!r}: {unread.len():,} values cannot be read as a {column.kind} "
            f"({_examples(unread)}) and count as missing"
        )
    if column.flag:
        blocks.append(missing[:, None])
    elif missing.any():
        instead = (
            "count as no known category"
            if column.kind == "category"
            else ("take the training median")
        )
        talk.warn(
            f"column {column.name!r}: {missing.sum():,} values are missing, which never happened "
            f"in training; they {instead}"
        )
    return np.concatenate(blocks, axis=1, dtype=np.float32, casting="unsafe")


def _unread(series: pl.Series, values: pl.Series) -> pl.Series:
    """Return what is there, but was read as nothing."""
    present = text_of(series).is_not_null()
    if series.dtype.is_float():
        present &= series.is_not_nan().fill_null(False)
    return series.filter(present & values.is_null())


def _date_features(column: Column, dates: pl.Series) -> np.ndarray:
    fill = pl.Series([round(column.fill * DAY)]).cast(pl.Datetime("us"))
    filled = dates.fill_null(fill.item())
    parts = [_days(filled), filled.dt.month(), filled.dt.weekday()]
    if column.clock:
        parts.append(filled.dt.hour() + filled.dt.minute() / 60)
    return np.stack([part.to_numpy() for part in parts], axis=1)


def _one_hot(column: Column, values: pl.Series, missing: np.ndarray, talk: Talk) -> np.ndarray:
    known = values.cast(pl.Enum(list(column.categories)), strict=False)
    codes = known.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    hot = np.zeros((len(codes), len(column.categories) + column.other), np.float32)
    rows = np.flatnonzero(codes >= 0)
    hot[rows, codes[rows]] = 1.0
    unknown = (codes < 0) & ~missing
    if column.other:
        hot[unknown, -1] = 1.0
    elif unknown.any():
        talk.warn(
            f"column {column.name!r}: {unknown.sum():,} values were never seen in training "
            f"({_examples(values.filter(pl.Series(unknown)))}); they count as no known category"
        )
    return hot
