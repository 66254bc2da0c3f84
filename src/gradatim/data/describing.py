"""What the columns of a table are, decided from all their values; targets are not looked at."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from gradatim.data.cells import (
    CODE,
    DATE_LIKE,
    READABLE_SHARE,
    date_format,
    decimal_sign,
    examples,
    numbers,
    text_of,
)
from gradatim.data.columns import MOST_CATEGORIES, Column

MIXED_SHARE = 0.5
"""With too many different values for categories, numbers need only be this share of the values."""

_ROW_NUMBER_NAME = (
    r"^$|(?i:^unnamed.*|^(.*[ _.-])?(id|idx|index|row|key|uuid|nr|no)$)|^\w*[a-z]I[dD]$"
)


@dataclass(frozen=True)
class Described:
    """What the columns of a table are: those used, those left out with reasons, and notes."""

    columns: tuple[Column, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


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
        infinite = int(series.is_infinite().sum()) if kind.is_float() else 0
        note = f"column {name!r}: {infinite:,} values are infinite and count as missing"
        return _number_or_row_number(Column(name, "number"), series, note if infinite else "")
    return _describe_text(name, text_of(series))


def _describe_text(name: str, text: pl.Series) -> tuple[Column | None, str]:
    values = text.drop_nulls()
    if values.len() == 0:
        return None, "has no values"
    codes = values.str.contains(CODE).any()
    decimal, share = decimal_sign(text)
    enough = MIXED_SHARE if values.n_unique() > MOST_CATEGORIES else READABLE_SHARE
    if share >= enough and not codes:
        column = Column(name, "number", decimal=decimal)
        return _number_or_row_number(column, text, _number_note(name, text, decimal))
    if share < READABLE_SHARE and values.str.contains(DATE_LIKE).mean() >= READABLE_SHARE:  # type: ignore[operator]
        dated = _date_column(name, values)
        if dated is not None:
            return dated
    return _category_or_identifier(name, values, "written with leading zeros" if codes else "")


def _number_note(name: str, text: pl.Series, decimal: str) -> str:
    """Say what is unusual about numbers written as text."""
    unread = text.filter(text.is_not_null() & numbers(text, decimal).is_null())
    notes = ["the comma is the decimal sign"] if decimal == "," else []
    if unread.len():
        notes.append(
            f"{unread.len():,} of {text.len():,} values are not numbers ({examples(unread)}) "
            "and count as missing"
        )
    return f"column {name!r}: {'; '.join(notes)}" if notes else ""


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
    """Return the date column and a note on it, or None when too few values are dates."""
    form, share = date_format(values)
    if not form:
        return None
    notes = []
    swapped = form.replace("%m/%d", "%d/%m")
    if swapped != form and not values.str.to_datetime(swapped, strict=False).null_count():
        notes.append(
            f"column {name!r}: dates could be read either way; the month is taken to be first"
        )
    if share < 1.0:
        unread = values.filter(values.str.to_datetime(form, strict=False).is_null())
        notes.append(
            f"column {name!r}: {unread.len():,} values are not dates ({examples(unread)}) "
            "and count as missing"
        )
    return Column(name, "date", format=form, clock="%H" in form), "; ".join(notes)


def _has_clock(dates: pl.Series) -> bool:
    return bool((dates.dt.truncate("1d") != dates).any())
