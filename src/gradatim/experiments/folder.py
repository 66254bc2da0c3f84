"""The run folder: made at one instant with its recipe inside, so that every run can be resumed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from gradatim.core.files import disk_errors, write_json
from gradatim.core.recipe import Recipe
from gradatim.core.record import Record
from gradatim.errors import CheckpointError, NotARunError, UsageError, closest

RECIPE = "recipe.toml"
RECORD = "record.jsonl"
SPLIT = "split.json"
AUDIT = "audit.json"
PREDICTIONS = "predictions.safetensors"
MODEL = "model"
REPORT = "report.html"


def short_name(source: str) -> str:
    """Return a source as a part of a folder's name: ``../photos/`` becomes ``photos``."""
    stem = Path(source.rstrip("/\\")).name or Path(source).resolve().name
    word = re.sub(r"[^\w.-]+", "-", Path(stem).stem if "." in stem else stem).strip("-.")
    return word[:40] or "data"


def create(recipe: Recipe, out: Path | None) -> Path:
    """Make a new run folder that holds the recipe; it appears whole or not at all.

    Args:
        recipe: as the user gave it; a run killed before anything else was written starts from it.
        out: the folder; by default ``runs/<source>-<model>-<n>`` with the next free ``n``.

    Raises:
        UsageError: the folder exists and is not empty.
        DiskError: it cannot be written.
    """
    name = f"{short_name(recipe.data.source)}-{recipe.model.name or 'ladder'}"
    parent = (out.parent if out is not None else Path("runs")).absolute()
    with disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".tmp", dir=parent))
    try:
        recipe.write(fresh / RECIPE)
        if os.name != "nt":
            fresh.chmod(0o755)
        if out is not None:
            return _rename(fresh, parent / out.name)
        number = 1 + max((_number(path, name) for path in parent.iterdir()), default=0)
        while True:
            try:
                return _rename(fresh, parent / f"{name}-{number}").relative_to(Path.cwd())
            except UsageError:  # another run took the number meanwhile
                number += 1
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _number(path: Path, name: str) -> int:
    found = re.fullmatch(re.escape(name) + r"-(\d+)", path.name)
    return int(found[1]) if found else 0


def _rename(fresh: Path, place: Path) -> Path:
    try:
        if place.is_dir():
            place.rmdir()  # succeeds only when it is empty
        os.rename(fresh, place)
    except OSError as error:
        if place.exists():
            raise UsageError(
                "this folder is not empty",
                given=place,
                next_step=f"choose another with --out, or go on there: gradatim resume {place}",
            ) from error
        raise
    return place


def find(place: Path) -> Path:
    """Return the run folder at a place, or say what is there instead.

    Raises:
        NotARunError: no run is there.
    """
    if (place / RECIPE).is_file():
        return place
    if not place.exists():
        what = "there is no such run folder"
        try:
            siblings = [path.name for path in place.parent.iterdir() if path.is_dir()]
        except OSError:
            siblings = []
        like = closest(place.name, siblings)
        hint = (
            f"did you mean {place.parent / like}?" if like else "runs are kept in runs/ by default"
        )
    else:
        what, hint = "this is not a run folder", "a run folder holds recipe.toml; see runs/"
    raise NotARunError(what, given=place, next_step=hint)


def read_recipe(folder: Path) -> Recipe:
    """Return the recipe of a run."""
    return Recipe.read(folder / RECIPE)


def read_record(folder: Path) -> Record:
    """Return the Record of a run, empty when nothing has happened yet.

    Raises:
        CheckpointError: a line is damaged.
    """
    if not (folder / RECORD).exists():
        return Record([])
    try:
        return Record.read(folder)
    except ValueError as error:
        raise CheckpointError(
            f"the Record is damaged ({error})",
            given=folder / RECORD,
            next_step="fit again with `gradatim fit --recipe` and the recipe of this run",
        ) from error


def keep_data_facts(folder: Path, split: object, audit: object) -> None:
    """Write the split and the data card of a run, each whole or not at all."""
    write_json(folder / SPLIT, split)
    write_json(folder / AUDIT, audit)
