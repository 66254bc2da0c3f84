"""A table of picture paths and labels: CSV, TSV or Parquet.

::

    path,label,split
    photos/1.jpg,cat,train
    photos/2.jpg,dog,test

Paths are relative to the table's folder, or to a folder beside it that holds the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from gradatim.data.audit import printable
from gradatim.data.dataset import Part
from gradatim.data.decode import SUFFIXES
from gradatim.data.raw import RawImages
from gradatim.data.sources import Request
from gradatim.data.sources.folder import PART_NAMES, not_found
from gradatim.data.sources.table import PART_NAMES as PART_COLUMNS
from gradatim.data.sources.table import TARGET_NAMES, read_frame
from gradatim.errors import ColumnError, EmptySourceError

PATH_SHARE = 0.9
"""Share of a column's values that must end like pictures for it to be the column of paths."""

PROBED_PATHS = 20


def read(request: Request) -> RawImages:
    """Read a table of picture paths and labels.

    Raises:
        SourceNotFoundError: there is no such file.
        ColumnError: no column holds picture paths, or the column of labels is not clear.
        EmptySourceError: no row has both a path and a label.
        DataError: the file is damaged or not a table.
    """
    path = request.path
    if not path.is_file():
        raise not_found(path)
    frame, notes = read_frame(path)
    column = looks_like_image_table(frame, path.parent)
    if column is None:
        raise ColumnError(
            "no column of the table holds picture paths",
            given=path,
            allowed=f"a column of file names that end in {', '.join(sorted(SUFFIXES))}",
        )
    part_column, row_parts = _parts(frame, {column, request.target or ""})
    target = _target(frame, request.target, {column, part_column})
    values, labels = _texts(frame[column]), _texts(frame[target])
    folder = _folder_of_pictures(path.parent, [value for value in values if value])
    if folder != path.parent:
        notes = [*notes, f"The paths are relative to the folder {printable(folder.name)}."]
    if part_column:
        notes = [*notes, f"The column {part_column!r} says which part a row belongs to."]

    files: list[Path] = []
    used: list[int] = []
    unused: list[tuple[str, str]] = []
    for row, (value, label) in enumerate(zip(values, labels, strict=True)):
        if value and label:
            files.append(_place(folder, value))
            used.append(row)
        else:
            what = f"no label in the column {target}" if value else f"no path in {column}"
            unused.append((printable(value) if value else f"row {row + 1}", what))
    if not files:
        raise EmptySourceError(
            f"no row has both a path in {column!r} and a label in {target!r}", given=path
        )
    return RawImages(
        name=printable(path.stem),
        root=folder,
        files=files,
        labels=[printable(labels[row]) for row in used],
        parts=[row_parts[row] for row in used],
        unused=unused,
        target=target,
        notes=notes,
    )


def looks_like_image_table(frame: pl.DataFrame, root: Path | None = None) -> str | None:
    """Return the column that holds picture paths, None when the table is of another kind.

    It is the first text column of whose values at least 90 % end like pictures; with a ``root``,
    one whose first paths lead to files there is preferred.
    """
    found = []
    for series in frame.get_columns():
        values = [value for value in _texts(series) if value] if series.dtype == pl.String else []
        endings = [os.path.splitext(value)[1].lower() in SUFFIXES for value in values]  # noqa: PTH122
        if values and sum(endings) >= PATH_SHARE * len(values):
            found.append((series.name, values))
    if root is not None:
        for name, values in found:
            if any(_is_file(_place(root, value)) for value in values[:PROBED_PATHS]):
                return name
    return found[0][0] if found else None


def _texts(series: pl.Series) -> list[str]:
    """Return the values as stripped text, empty where there is none."""
    return [(value or "").strip() for value in series.cast(pl.String).to_list()]


def _place(folder: Path, value: str) -> Path:
    """Return the file a value names; paths written on Windows are understood elsewhere too."""
    if os.sep == "/" and "\\" in value and not _is_file(folder / value):
        value = value.replace("\\", "/")
    return folder / value


def _is_file(path: Path) -> bool:
    """Tell whether a file is there; False also for what can be no path at all."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name too long


def _folder_of_pictures(folder: Path, values: Sequence[str]) -> Path:
    """Return the folder where most of the first paths lead to files: the table's, or one in it."""
    try:
        inner = sorted(place for place in folder.iterdir() if place.is_dir())
    except OSError:
        inner = []
    probed = values[:PROBED_PATHS]
    return max(
        [folder, *inner], key=lambda place: sum(_is_file(_place(place, value)) for value in probed)
    )


def _parts(frame: pl.DataFrame, others: set[str]) -> tuple[str, list[Part | None]]:
    """Return the column that names the parts, and the part of each row; no column, no parts."""
    for name in frame.columns:
        if name in others or name.strip().lower() not in PART_COLUMNS:
            continue
        words = [word.lower() for word in _texts(frame[name])]
        if "train" in {PART_NAMES.get(word) for word in words} and set(words) <= {"", *PART_NAMES}:
            return name, [PART_NAMES.get(word) for word in words]
    return "", [None] * frame.height


def _target(frame: pl.DataFrame, asked: str | None, others: set[str]) -> str:
    """Return the column of labels."""
    names = [name for name in frame.columns if name not in others]
    if asked is not None:
        if asked in names:
            return asked
        raise ColumnError(
            "the table has no such column of labels",
            given=asked,
            allowed=names,
            next_step="name the column of labels with --target",
        )
    obvious = [name for name in names if name.strip().lower() in TARGET_NAMES]
    for candidates in (obvious, names):
        if len(candidates) == 1:
            return candidates[0]
    raise ColumnError(
        "which column holds the labels must be said" if names else "no column holds labels",
        given=", ".join(frame.columns),
        next_step=f"name it, e.g. --target {names[-1]}" if names else "add a column of labels",
    )
