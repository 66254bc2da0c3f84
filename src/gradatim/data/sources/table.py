"""Tables: CSV in its dialects, and Parquet, with one column to be predicted.

A CSV file is read as text; what each column is, is decided from all its values
(``data/describing.py``), so that a late odd value changes nothing silently.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from gradatim.data.dataset import Part
from gradatim.data.raw import RawTable
from gradatim.data.sources import Request
from gradatim.errors import ColumnError, DataError, EmptySourceError

TARGET_NAMES = ("target", "label", "class", "y")
"""A column of one of these names is predicted when the user names none."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
PART_NAMES = ("split", "part", "subset", "partition")
_PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_SAMPLE = 1 << 16


def read(request: Request) -> RawTable:
    """Read a table and find its target column.

    Raises:
        ColumnError: the target column is not there, or none was named and none is obvious.
        DataError: the file is damaged or not a table.
    """
    frame, notes = read_frame(request.path)
    target, reason = _target(frame, request.target)
    parts = None
    for name in frame.columns:
        if name != target and name.lower() in PART_NAMES:
            parts = _parts(frame[name])
            if parts is not None:
                frame = frame.drop(name)
                notes.append(f"the column {name!r} says which part a row belongs to")
                break
    return RawTable(request.path.stem, frame, target, parts, notes, reason)


def read_frame(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Read a CSV, TSV or Parquet file whole; the values of a CSV file stay text.

    Returns:
        the table, and notes on how it was read.

    Raises:
        EmptySourceError: the file has no rows.
        DataError: the file is damaged or not a table.
    """
    notes: list[str] = []
    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        else:
            frame, notes = _read_text(path)
    except OSError as error:
        raise DataError(
            f"the table cannot be read ({error.strerror or error})",
            given=path,
            next_step="check the path and its permissions",
        ) from error
    except pl.exceptions.PolarsError as error:
        first = str(error).partition("\n")[0]
        raise DataError(
            f"this is not a whole table ({first})", given=path, next_step="write the file again"
        ) from error
    if frame.width == 0 or frame.height == 0:
        raise EmptySourceError(
            "the table has no rows", given=path, next_step="give a table with a header and rows"
        )
    return frame, notes


def image_column(path: Path) -> str | None:
    """Return the column whose values look like paths of images, from the first rows; or None."""
    from gradatim.data.sources.image_table import looks_like_image_table

    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.scan_parquet(path).head(100).collect()
        else:
            with open(path, "rb") as file:
                content = file.read(_SAMPLE)
            text, _ = decoded(path, content)
            whole = text.rpartition("\n")[0] if len(content) == _SAMPLE else text
            frame = _parsed(path, whole, _separator(whole)).head(100)
    except (OSError, DataError, pl.exceptions.PolarsError):
        return None
    return looks_like_image_table(frame, path.parent)


def _read_text(path: Path) -> tuple[pl.DataFrame, list[str]]:
    text, notes = decoded(path, path.read_bytes())
    separator = _separator(text)
    if separator != ",":
        notes.append(f"values are separated by {SEPARATORS[separator]}")
    frame = _parsed(path, text, separator)
    if frame.width and all(re.fullmatch(r"[-+\d.,eE ]+", name) for name in frame.columns):
        notes.append("the first line is taken for the header, though it holds only numbers")
    return frame, notes


def decoded(path: Path, content: bytes) -> tuple[str, list[str]]:
    """Return the text (UTF-16 by its mark, UTF-8, else Windows-1252) and what to say about it."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace"), ["read as UTF-16"]
    if b"\0" in content:
        raise DataError(
            "this file holds binary data, not text",
            given=path,
            next_step="give a CSV file, or name a Parquet file .parquet",
        )
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        if len(content) == _SAMPLE and error.start >= _SAMPLE - 4:  # a character cut in two
            return content[: error.start].decode("utf-8-sig"), []
        text = content.decode("cp1252", "replace")
        return text, ["not UTF-8; read as Windows-1252 (Western European)"]


def _separator(text: str) -> str:
    """Return the separator that gives most of the first lines the same number of fields."""
    lines = text[:_SAMPLE].splitlines()[:50]
    best, best_score = ",", (0.0, 1)
    for separator in SEPARATORS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        score = (round(count / len(widths), 1), width)
        if width > 1 and score > best_score:
            best, best_score = separator, score
    return best


def _parsed(path: Path, text: str, separator: str) -> pl.DataFrame:
    if not text.strip():
        raise EmptySourceError("the file is empty", given=path)
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode("utf-8", "replace")), separator=separator, infer_schema=False
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(
            _csv_problem(text, separator) or str(error).partition("\n")[0],
            given=path,
            next_step="correct that line, or write the file again",
        ) from error
    names = [name.strip() for name in frame.columns]
    if len(set(names)) == len(names):
        frame.columns = names
    return frame


def _csv_problem(text: str, separator: str) -> str | None:
    """Return what is wrong with the first line that does not fit the header."""
    try:
        reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        width = len(next(reader))
        for row in reader:
            if len(row) > width:
                return f"line {reader.line_num} has {len(row)} fields, the header has {width}"
    except csv.Error as error:
        return f"line {reader.line_num} cannot be read ({error})"
    return None


def _target(frame: pl.DataFrame, asked: str | None) -> tuple[str, str]:
    """Return the name of the target column, and why it is that one."""
    if frame.width < 2:
        raise ColumnError(
            "the table has one column; a target and at least one feature are needed",
            given=frame.columns[0],
            next_step="check what separates the values of the file",
        )
    if asked is not None:
        if asked not in frame.columns:
            raise ColumnError(
                "the table has no such column",
                given=asked,
                allowed=frame.columns,
                next_step="name the column to be predicted with --target",
            )
        return asked, ""
    obvious = [name for name in frame.columns if name.lower() in TARGET_NAMES]
    if len(obvious) == 1:
        return obvious[0], f"the column {obvious[0]!r} is predicted because of its name"
    raise ColumnError(
        "which column is to be predicted must be said: "
        + ("several have the name of a target" if obvious else "none has the name of a target"),
        given=", ".join(obvious) or None,
        allowed=f"one of {', '.join(frame.columns)}",
        next_step=f"name it, e.g. --target {(obvious or frame.columns)[-1]!r}",
    )


def _parts(series: pl.Series) -> np.ndarray | None:
    """Return the part of each row when the column names parts and nothing else."""
    if series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return None
    words = [
        None if value is None else _PARTS.get(value.strip().lower(), "")
        for value in series.cast(pl.String).to_list()
    ]
    if "" in words or "train" not in words:
        return None
    return np.array(words, dtype=object)
