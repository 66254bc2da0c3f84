"""What is predicted: one of some classes, or a number. Decided from the values unless told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from gradatim.data.cells import CODE, READABLE_SHARE, decimal_sign, numbers, text_of
from gradatim.errors import ColumnError

MISSING = ("", "?", "na", "n/a", "#n/a", "nan", "null")
"""Texts that mean "no target"; others, such as ``none``, can well be a class."""

MOST_CLASSES = 20
"""Whole numbers with at most this many different values are taken for classes ..."""

LEAST_PER_CLASS = 5
"""... when there are at least this many samples a class on average."""


@dataclass(frozen=True)
class Targets:
    """The targets of a data set.

    Attributes:
        task: what is learnt.
        classes: their names in the order of their indices; empty for regression.
        values: ``N``; indices into ``classes`` (int64, -1 where missing) or values (float32, NaN
            where missing).
        reason: why it is this task.
        notes: what a reader must know, one sentence each.
    """

    task: Literal["classification", "regression"]
    classes: tuple[str, ...]
    values: np.ndarray
    reason: str
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """Which samples have no target, ``N`` booleans."""
        none = np.isnan(self.values) if self.task == "regression" else self.values < 0
        return np.asarray(none)


def decide(series: pl.Series, task: str | None = None, *, lone: bool = False) -> Targets:
    """Return the targets that a column holds.

    Text, truth values and few different whole numbers are classes; other numbers are a
    regression; ``task`` overrides this. With ``lone``, classes may have one sample each: enough to
    measure a model, not to learn one.

    Raises:
        ColumnError: the column cannot be predicted, or not as the task asked for.
    """
    name, kind = series.name, series.dtype
    if kind.is_nested() or kind in (pl.Object, pl.Binary, pl.Date, pl.Datetime, pl.Time):
        raise ColumnError(
            f"a column of type {kind} cannot be predicted",
            given=name,
            next_step="choose a column of numbers, texts or truth values",
        )
    if kind == pl.Boolean:
        return _text_targets(series.cast(pl.String), "it holds truth values", task, lone)
    if kind.is_numeric() or kind == pl.Duration:
        return _number_targets(numbers(series), task, lone)
    text = text_of(series, MISSING)
    decimal, share = decimal_sign(text)
    if text.str.contains("^(?i:true|false)$").any():
        return _text_targets(text, "it holds truth values", task, lone)
    if share >= READABLE_SHARE and not text.str.contains(CODE).any():
        return _number_targets(numbers(text, decimal), task, lone)
    return _text_targets(text, "it holds text", task, lone)


def _text_targets(text: pl.Series, why: str, task: str | None, lone: bool) -> Targets:
    if task == "regression":
        raise ColumnError(
            "regression needs a column of numbers, and this one is not",
            given=text.name,
            next_step="leave the task out, or choose a column of numbers",
        )
    classes = text.drop_nulls().unique().sort().to_list()
    _refuse_too_many(text, 0 if lone else len(classes))
    by_case: dict[str, list[str]] = {}
    for label in classes:
        by_case.setdefault(label.casefold(), []).append(label)
    notes = [
        f"these classes differ only in upper and lower case: {', '.join(alike)}"
        for alike in by_case.values()
        if len(alike) > 1
    ]
    reason = f"the column {text.name!r} is predicted as a class because {why}"
    return _classes(text, classes, classes, reason, notes)


def _number_targets(values: pl.Series, task: str | None, lone: bool) -> Targets:
    present = values.drop_nulls()
    distinct = present.n_unique()
    whole = bool((present == present.floor()).all())
    few = distinct <= min(MOST_CLASSES, present.len() / LEAST_PER_CLASS)
    if task == "classification" or (task is None and whole and few):
        _refuse_too_many(values, 0 if lone else distinct)
        levels = present.unique().sort().to_list()
        names = [f"{level:.0f}" if level == int(level) else repr(level) for level in levels]
        why = "as asked for" if task else f"because it holds only {distinct} whole numbers"
        reason = f"the column {values.name!r} is predicted as a class {why}"
        return _classes(values, levels, names, reason, [])
    why = (
        "as asked for"
        if task
        else "because it holds "
        + (f"{distinct:,} different whole numbers" if whole else "numbers that are not whole")
    )
    return Targets(
        "regression",
        (),
        values.fill_null(float("nan")).to_numpy().astype(np.float32),
        f"the column {values.name!r} is predicted as a number {why}",
    )


def _classes(
    values: pl.Series,
    levels: list[float] | list[str],
    names: list[str],
    reason: str,
    notes: list[str],
) -> Targets:
    indices = values.replace_strict(levels, range(len(levels)), default=-1, return_dtype=pl.Int64)
    return Targets("classification", tuple(names), indices.to_numpy(), reason, tuple(notes))


def _refuse_too_many(values: pl.Series, distinct: int) -> None:
    """Refuse classes when most of them have one sample only."""
    count = values.len() - values.null_count()
    if count >= 10 and distinct > count / 2:
        raise ColumnError(
            f"{distinct:,} different values in {count:,} rows are too many for classes",
            given=values.name,
            next_step="choose another column, or predict numbers with --set data.task=regression",
        )
