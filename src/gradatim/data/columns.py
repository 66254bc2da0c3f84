"""How the columns of a table become features.

A column is a number, a category or a date (decided in ``data/describing.py``). Medians and
categories are learnt from the training rows only (``learn``); every table after that, the one to be
predicted included, is read the same way (``encode``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from gradatim.core.talk import SILENCE, Talk
from gradatim.data.cells import DAY, dates, days, examples, numbers, text_of
from gradatim.errors import ColumnError

MOST_CATEGORIES = 50
"""At most this many categories get a feature of their own; the rarer ones share one."""


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
            scale = days(values) if column.kind == "date" else values
            median = scale.median()
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


def _read(series: pl.Series, column: Column) -> pl.Series:
    """Return the column's values as Float64, Datetime or String, with null where none is."""
    if column.kind == "number":
        return numbers(series, column.decimal)
    if column.kind == "category":
        return text_of(series)
    return dates(series, column.format)


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
            f"({examples(unread)}) and count as missing"
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


def _date_features(column: Column, times: pl.Series) -> np.ndarray:
    fill = pl.Series([round(column.fill * DAY)]).cast(pl.Datetime("us"))
    filled = times.fill_null(fill.item())
    parts = [days(filled), filled.dt.month(), filled.dt.weekday()]
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
            f"({examples(values.filter(pl.Series(unknown)))}); they count as no known category"
        )
    return hot
