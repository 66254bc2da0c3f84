"""Predict over files, folders and tables: a list of plain answers, one an input."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradatim import package
from gradatim.core.talk import Talk
from gradatim.data.sources.text_file import read_text
from gradatim.errors import DataError, SourceNotFoundError, UsageError

if TYPE_CHECKING:
    import polars as pl

TABLES = {".csv", ".tsv", ".txt", ".parquet", ".pq"}
PROMPT = 200  # characters of what was continued that are shown
BATCH = 256  # inputs between two updates of the progress bar


ARRAYS = {".npy", ".npz"}


@dataclass(frozen=True)
class Continuation:
    """How a text is continued: characters to add, temperature and seed of the draws."""

    length: int = 200
    temperature: float = 0.8
    seed: int = 0


def predict_inputs(
    run: Path, inputs: Sequence[str | Path], talk: Talk, continuation: Continuation | None = None
) -> list[dict[str, Any]]:
    """Return what the model of a run says about every input, in order.

    Args:
        run: a run folder or a model package.
        inputs: files and folders; for models of texts also the texts themselves.
        talk: where progress goes.
        continuation: how texts are continued, by a model that does.

    Raises:
        PackageError: the run has no model.
        SourceNotFoundError: a path does not exist.
        UsageError: nothing was given, a folder holds no file, or a continuation was asked of a
            model that continues no texts.
    """
    model = package.load(run)
    if not inputs:
        raise UsageError("no input was named", next_step="gradatim predict RUN image.jpg …")
    if continuation is not None and model.spec.task != "next-token":
        raise UsageError("this model does not continue texts", given=model.name)
    if model.spec.kind == "text":
        return [answer for item in inputs for answer in _texts(model, item, talk, continuation)]
    paths = [Path(item) for item in inputs]
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise SourceNotFoundError("there is no such file or folder", given=path)
    if model.spec.kind == "image":
        return list(_images(model, [file for path in paths for file in _files(path)], talk))
    return [answer for path in paths for answer in _rows(model, path, talk)]


def _texts(
    model: package.Model, item: str | Path, talk: Talk, continuation: Continuation | None
) -> Iterator[dict[str, Any]]:
    """Yield the answers to a text, to the text of a file, or to the texts of a table."""
    path = Path(item)
    there = _is_file(path)
    if there and path.suffix.lower() in TABLES - {".txt"} and model.spec.task != "next-token":
        yield from _rows(model, path, talk)
        return
    if isinstance(item, Path) and not there:
        raise SourceNotFoundError("there is no such file", given=item)
    told = str(item)
    start = read_text(path)[0] if there else told
    if model.spec.task != "next-token":
        answer = next(model.stream([start]))
        yield {"input": told, **_without_name(answer)}
        return
    chosen = continuation or Continuation()
    text = model.continue_text(
        start, chosen.length, temperature=chosen.temperature, seed=chosen.seed
    )
    yield {"input": told, "prompt": start[-PROMPT:], "text": text}


def _is_file(path: Path) -> bool:
    """Whether a file is there; a text that is too long for a name is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _without_name(answer: package.Prediction) -> dict[str, Any]:
    values = answer.to_dict()
    values.pop("name", None)
    return values


def _files(path: Path) -> list[Path]:
    """Return the path itself, or every visible file below a folder."""
    if not path.is_dir():
        return [path]
    found = sorted(
        (
            file
            for file in path.rglob("*")
            if not file.is_dir() and not any(part.startswith(".") for part in file.parts[-3:])
        ),
        key=attrgetter("parts"),
    )
    if not found:
        raise UsageError("this folder holds no files", given=path)
    return found


def _images(model: package.Model, files: list[Path], talk: Talk) -> Iterator[dict[str, Any]]:
    with talk.track("predict", len(files), "image") as bar:
        for done, (file, answer) in enumerate(
            zip(files, model.stream(files), strict=True), start=1
        ):
            yield {"input": str(file), **_without_name(answer)}
            if done % BATCH == 0 or done == len(files):
                bar.update(done)


def _rows(model: package.Model, path: Path, talk: Talk) -> Iterator[dict[str, Any]]:
    rows = _array(path) if path.suffix.lower() in ARRAYS else _table(path, talk)
    word = "series" if model.spec.kind == "sequence" else "row"
    for number, answer in enumerate(model.stream(rows), start=1):
        place = answer.name or f"{word} {number}"
        yield {"input": f"{path} {place}", **_without_name(answer)}


def _array(path: Path) -> np.ndarray:
    """Read the inputs of an array file: the array itself, or the one named ``x`` or alone in it.

    Raises:
        DataError: the file is damaged, or does not say which array is meant.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            names = found.files
            chosen = next((name for name in ("x", "x_test", "series") if name in names), None)
            if chosen is None and len(names) != 1:
                raise DataError(
                    "the archive does not say which array is to be predicted",
                    given=path,
                    allowed="an array named x, or a single one",
                    next_step=f"the archive holds: {', '.join(names)}",
                )
            inputs: np.ndarray = found[chosen or names[0]]
            return inputs
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"this is not a whole array file ({error})", given=path, next_step="save it again"
        ) from error


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
            allowed=sorted(TABLES | ARRAYS),
            next_step="give a table with the columns the model learnt from",
        )
    frame, notes = read_frame(path)
    for note in notes:
        talk.say(note)
    return frame
