"""Predict over files, folders and tables: a list of plain answers, one an input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradatim import package
from gradatim.core.talk import Talk
from gradatim.errors import SourceNotFoundError, UsageError

if TYPE_CHECKING:
    import polars as pl

TABLES = {".csv", ".tsv", ".txt", ".parquet", ".pq"}
BATCH = 256  # inputs between two updates of the progress bar


def predict_inputs(run: Path, inputs: list[Path], talk: Talk) -> list[dict[str, Any]]:
    """Return what the model of a run says about every input, in order.

    Raises:
        PackageError: the run has no model.
        SourceNotFoundError: a path does not exist.
        UsageError: nothing was given, or a folder holds no file.
    """
    model = package.load(run)
    if not inputs:
        raise UsageError("no input was named", next_step="gradatim predict RUN image.jpg …")
    for path in inputs:
        if not path.exists() and not path.is_symlink():
            raise SourceNotFoundError("there is no such file or folder", given=path)
    if model.spec.kind == "image":
        return list(_images(model, [file for path in inputs for file in _files(path)], talk))
    return [answer for path in inputs for answer in _rows(model, path, talk)]


def _files(path: Path) -> list[Path]:
    """Return the path itself, or every visible file below a folder."""
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if not file.is_dir() and not any(part.startswith(".") for part in file.parts[-3:])
    )
    if not found:
        raise UsageError("this folder holds no files", given=path)
    return found


def _images(model: package.Model, files: list[Path], talk: Talk) -> Iterator[dict[str, Any]]:
    with talk.track("predict", len(files), "image") as bar:
        for done, (file, answer) in enumerate(
            zip(files, model.stream(files), strict=True), start=1
        ):
            values = answer.to_dict()
            values.pop("name", None)
            yield {"input": str(file), **values}
            if done % BATCH == 0 or done == len(files):
                bar.update(done)


def _rows(model: package.Model, path: Path, talk: Talk) -> Iterator[dict[str, Any]]:
    for number, answer in enumerate(model.stream(_table(path, talk)), start=1):
        values = answer.to_dict()
        values.pop("name", None)
        yield {"input": f"{path} row {number}", **values}


def _table(path: Path, talk: Talk) -> pl.DataFrame:
    """Read a table of rows to predict.

    Raises:
        UsageError: the file is no table.
    """
    from gradatim.data.sources.table import read_frame

    if path.is_dir() or path.suffix.lower() not in TABLES:
        raise UsageError(
            "this model takes rows of a table",
            given=path,
            allowed=sorted(TABLES),
            next_step="give a table with the columns the model learnt from",
        )
    frame, notes = read_frame(path)
    for note in notes:
        talk.say(note)
    return frame
