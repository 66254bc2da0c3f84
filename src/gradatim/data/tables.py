"""From the rows of a table to audited samples; features are learnt later, from training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from gradatim.core.recipe import DataRecipe
from gradatim.data.arrays import equal_rows, equality_warnings, refuse_image_keys
from gradatim.data.audit import (
    Audit,
    FeatureFacts,
    Rejection,
    class_warnings,
    count_classes,
)
from gradatim.data.cells import numbers, text_of
from gradatim.data.columns import Column
from gradatim.data.describing import Described, describe
from gradatim.data.gathered import (
    Gathered,
    counted_parts,
    digests,
    fingerprint,
    listed,
    sentence,
    value_facts,
)
from gradatim.data.raw import RawTable
from gradatim.data.targets import decide
from gradatim.errors import ColumnError, EmptySourceError

COMMON = 5
"""So many of the most frequent categories are shown."""


def gather_table(raw: RawTable, data: DataRecipe, *, lone: bool = False) -> Gathered:
    """Audit a table: decide what its target and its columns are.

    Rows without a target are left out and listed. With ``lone``, few rows are enough: a model is
    to be measured on them, not learnt from them.

    Raises:
        ColumnError: the target cannot be predicted, or no column can be used.
        EmptySourceError: no row has a target.
        UsageError: the recipe asks for what only images can have.
    """
    refuse_image_keys(raw.name, "rows of a table", data)
    decided = decide(raw.frame[raw.target], data.task, lone=lone)
    kept = np.flatnonzero(~decided.missing)
    rejected = [
        Rejection(f"row {row + 1}", f"no usable value in the target column {raw.target}")
        for row in np.flatnonzero(decided.missing)
    ]
    frame = raw.frame.drop(raw.target)[kept]
    targets = decided.values[kept]
    parts = np.full(len(kept), None, dtype=object) if raw.parts is None else raw.parts[kept]
    if len(targets) == 0:
        raise EmptySourceError("no row has a usable value in the target column", given=raw.target)
    described = describe(frame)
    if not described.columns and not lone:
        raise ColumnError(
            "no column can be learnt from: "
            + "; ".join(f"{name} ({why})" for name, why in described.left_out),
            given=raw.name,
        )
    labels, label_parts, columns = counted_parts(targets, decided.classes, parts)
    counts = count_classes(labels, label_parts, columns)
    facts = [_facts(frame[column.name], column) for column in described.columns]
    audit = Audit(
        source=raw.name,
        kind="table",
        samples=len(kept),
        found=raw.frame.height,
        task=decided.task,
        classes=decided.classes,
        class_counts=counts,
        target=None if decided.classes else value_facts(raw.target, targets),
        features=(
            *facts,
            *(FeatureFacts(name, "left out", note=why) for name, why in described.left_out),
        ),
        choices={"data.task": decided.reason}
        | ({"data.target": raw.target_reason} if raw.target_reason else {}),
        rejected=tuple(rejected),
        warnings=(
            *(class_warnings(counts) if decided.classes else ()),
            *_missing_warnings(facts, len(kept), len(rejected), raw.frame.height),
        ),
        notes=_notes(raw, decided.notes, described),
    )
    gathered = Gathered(
        name=raw.name,
        kind="table",
        targets=targets,
        classes=decided.classes,
        names=[f"row {row + 1}" for row in kept],
        groups=np.arange(len(kept)),
        parts=parts,
        audit=audit,
        key="",
        frame=frame,
        columns=described.columns,
        target=raw.target,
        choices={
            "data.target": (raw.target, raw.target_reason),
            "data.task": (decided.task, decided.reason),
        },
    )
    return _find_equal_rows(gathered)


def _find_equal_rows(gathered: Gathered) -> Gathered:
    """Find rows that are equal in every column that is used."""
    frame = gathered.frame
    assert frame is not None
    if not gathered.columns:
        return gathered
    read = [_comparable(frame[column.name], column) for column in gathered.columns]
    codes = np.stack(
        [column.rank("dense").fill_null(0).to_numpy().astype(np.uint32) for column in read], axis=1
    )
    hashes = digests(codes)
    distinct = [column.n_unique() for column in read]
    fields, groups, notes = equal_rows(gathered, hashes, distinct)
    audit = replace(
        gathered.audit,
        warnings=(*gathered.audit.warnings, *equality_warnings(fields)),
        notes=(*gathered.audit.notes, *notes),
        **fields,
    )
    key = fingerprint(
        gathered.targets,
        *gathered.classes,
        *(part or "" for part in gathered.parts),
        *(column.name for column in gathered.columns),
        *(_content(column) for column in read),
    )
    return replace(gathered, audit=audit, groups=groups, key=key)


def _comparable(series: pl.Series, column: Column) -> pl.Series:
    """Return the values as they are compared: numbers as numbers, all else as text."""
    return numbers(series, column.decimal) if column.kind == "number" else text_of(series)


def _content(series: pl.Series) -> np.ndarray | str:
    """Return all values of a column as what a fingerprint takes."""
    if series.dtype == pl.Float64:
        return series.fill_null(float("nan")).to_numpy()
    return "\1".join(series.fill_null("\0").to_list())


def _facts(series: pl.Series, column: Column) -> FeatureFacts:
    """Summarise one column."""
    if column.kind == "number":
        values = numbers(series, column.decimal)
        kind = "yes-no" if set(values.drop_nulls().unique()) <= {0.0, 1.0} else "number"
        as_array = values.fill_null(float("nan")).to_numpy()
        note = "missing values get the training median and a mark" if values.null_count() else ""
        return value_facts(column.name, as_array, kind, note)
    text = text_of(series)
    counts = text.drop_nulls().rename("value").value_counts(name="rows")
    counts = counts.sort("rows", "value", descending=[True, False])
    common = [(str(name), int(rows)) for name, rows in counts.head(COMMON).iter_rows()]
    notes: dict[str, str] = {
        "category": "a missing value is a category of its own" if text.null_count() else "",
        "date": "becomes the day, the month and the day of the week",
    }
    return FeatureFacts(
        column.name,
        column.kind,
        missing=text.null_count(),
        distinct=len(counts),
        common=tuple(common) if column.kind == "category" else (),
        note=notes[column.kind],
    )


def _missing_warnings(facts: list[FeatureFacts], rows: int, rejected: int, found: int) -> list[str]:
    warnings = []
    if rejected:
        warnings.append(f"{rejected:,} of {found:,} rows have no usable target and are left out.")
    holes = [f"{fact.name} ({fact.missing / rows:.0%})" for fact in facts if fact.missing]
    if holes:
        warnings.append(f"Columns with missing values: {listed(holes)}.")
    constant = [fact.name for fact in facts if fact.distinct == 1 and not fact.missing]
    if constant:
        warnings.append(f"Columns with one value only say nothing: {listed(constant)}.")
    return warnings


def _notes(raw: RawTable, target_notes: tuple[Any, ...], described: Described) -> tuple[str, ...]:
    left_out = [f"Column {name!r} is left out: {why}." for name, why in described.left_out]
    notes = (*raw.notes, *target_notes, *left_out, *described.notes)
    return tuple(sentence(note) for note in notes)
