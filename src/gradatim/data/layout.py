"""Tables with one row a step: which column names the series, which the time, which the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from gradatim.core.recipe import DataRecipe
from gradatim.data.cells import numbers, text_of
from gradatim.data.describing import describe
from gradatim.data.raw import RawSequences, RawTable
from gradatim.data.targets import decide
from gradatim.errors import ColumnError

SERIES_NAMES = ("series", "seriesid", "sequence", "sequenceid", "sequenceindex", "unitid")
TIME_NAMES = ("time", "timestamp", "step", "t", "date", "datetime", "tick")
"""Columns of these names, written in any case and without signs, make a table one of series."""


@dataclass(frozen=True)
class Layout:
    """The columns of a table with one row a step.

    Attributes:
        series: says to which series a row belongs.
        time: puts the rows of a series in order; empty: they are in order.
        values: the features, numbers.
        decimals: one decimal sign a column of values, where they are written as text.
    """

    series: str
    time: str
    values: tuple[str, ...]
    decimals: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Layout:
        """Read what ``to_dict`` wrote."""
        read: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**read)

    def read(self, frame: pl.DataFrame) -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
        """Return the series of a table.

        Returns:
            their names in the order in which they begin, their rows in the order of time, and
            their values, one ``steps x features`` float32 array each.

        Raises:
            ColumnError: a column is absent.
        """
        needed = [self.series, *([self.time] if self.time else []), *self.values]
        absent = [name for name in needed if name not in frame.columns]
        if absent:
            raise ColumnError(
                "the table lacks columns the model needs",
                given=", ".join(absent),
                allowed=frame.columns,
                next_step=f"it needs: {', '.join(needed)}",
            )
        columns = [
            numbers(frame[name], sign).fill_null(float("nan")).to_numpy()
            for name, sign in zip(self.values, self.decimals, strict=True)
        ]
        values = np.stack(columns, axis=1).astype(np.float32)
        marked = frame.select(text_of(frame[self.series]).alias("series"))
        marked = marked.with_row_index("row")
        if self.time:
            moments = _moments(frame[self.time]).alias("time")
            marked = marked.with_columns(moments).sort("time", maintain_order=True)
        groups = marked.drop_nulls("series").group_by("series", maintain_order=True)
        rows = groups.agg(pl.col("row"), pl.col("row").min().alias("first")).sort("first")
        places = [np.array(found, np.int64) for found in rows["row"].to_list()]
        return rows["series"].to_list(), places, [values[place] for place in places]


def find_layout(raw: RawTable, data: DataRecipe) -> Layout | None:
    """Return the layout of a table of series; None where each row is a sample of its own.

    It is one where the recipe names the column of series, or where a column has the name of one,
    another the name of a time, and every series has one target.

    Raises:
        ColumnError: a column the recipe names is not there, or no column holds values.
    """
    frame = raw.frame
    for key, name in (("series", data.series), ("time", data.time)):
        if name is not None and name not in frame.columns:
            raise ColumnError(
                "the table has no such column",
                given=name,
                allowed=frame.columns,
                next_step=f"name the column with --set data.{key}=COLUMN",
            )
    others = [name for name in frame.columns if name != raw.target]
    series = data.series or _named(others, SERIES_NAMES)
    time = data.time or _named(others, TIME_NAMES)
    if series is None or (data.series is None and time is None):
        return None
    if data.series is None and not _one_target_each(frame, series, raw.target):
        return None
    described = describe(frame.select(name for name in others if name not in (series, time)))
    values = [column for column in described.columns if column.kind == "number"]
    if not values:
        raise ColumnError(
            "no column of numbers is left for the values of the series",
            given=", ".join(others),
            next_step="a table of series needs a column of values beside series, time and target",
        )
    names = tuple(column.name for column in values)
    return Layout(series, time or "", names, tuple(column.decimal for column in values))


def read_series(raw: RawTable, layout: Layout, data: DataRecipe, *, lone: bool) -> RawSequences:
    """Return the series of a table, each with the target of its rows.

    Series whose rows disagree about the target, or have none, are listed as rejected.

    Raises:
        ColumnError: the target cannot be predicted.
    """
    names, places, sequences = layout.read(raw.frame)
    first = pl.Series(raw.target, [int(place[0]) for place in places], dtype=pl.UInt32)
    decided = decide(raw.frame[raw.target].gather(first), data.task, lone=lone)
    texts = raw.frame[raw.target].cast(pl.String)
    unlike = np.array([texts.gather(place).drop_nulls().n_unique() > 1 for place in places])
    bad = decided.missing | unlike
    kept = np.flatnonzero(~bad)
    reasons = {True: "its rows have different targets", False: "no usable target"}
    unused = [
        name
        for name in raw.frame.columns
        if name not in (*layout.values, layout.series, layout.time, raw.target)
    ]
    notes = [
        *raw.notes,
        *decided.notes,
        f"a table of series: {layout.series!r} names the series"
        + (f", {layout.time!r} puts its rows in order" if layout.time else "")
        + f", {', '.join(repr(name) for name in layout.values)} are the values",
        *([f"not used: {', '.join(repr(name) for name in unused)}"] if unused else []),
    ]
    parts = None
    if raw.parts is not None:
        parts = np.array([raw.parts[places[row][0]] for row in kept], dtype=object)
    return RawSequences(
        name=raw.name,
        sequences=[sequences[row] for row in kept],
        targets=decided.values[kept],
        classes=decided.classes,
        parts=parts,
        names=[f"series {names[row]}" for row in kept],
        features=layout.values,
        rejected=[
            (f"series {names[row]}", reasons[bool(unlike[row])]) for row in np.flatnonzero(bad)
        ],
        notes=notes,
        target=raw.target,
        reasons={"data.task": decided.reason, "data.target": raw.target_reason},
        layout=layout,
    )


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the only column with one of the names."""
    plain = {name: "".join(c for c in name.lower() if c.isalnum()) for name in columns}
    found = [name for name in columns if plain[name] in names]
    return found[0] if len(found) == 1 else None


def _one_target_each(frame: pl.DataFrame, series: str, target: str) -> bool:
    """Whether series have several rows, and all rows of a series the same target."""
    distinct = frame.group_by(series).agg(pl.col(target).n_unique().alias("targets"))
    several = distinct.height <= frame.height / 2
    return several and bool((distinct["targets"] == 1).all())


def _moments(series: pl.Series) -> pl.Series:
    """Return what orders the steps: numbers, moments, or the texts themselves."""
    if series.dtype != pl.String:
        return series
    read = numbers(series)
    if read.null_count() == series.null_count():
        return read
    dates = series.str.to_datetime(strict=False)
    return dates if dates.null_count() == series.null_count() else series
