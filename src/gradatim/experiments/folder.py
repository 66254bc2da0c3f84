"""The run folder: made at one instant with its recipe inside, so that every run can be resumed."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from gradatim.core.files import disk_errors, write_json, write_text
from gradatim.core.recipe import Recipe
from gradatim.core.record import Record
from gradatim.data.dataset import Prepared
from gradatim.errors import CheckpointError, NotARunError, UsageError, closest

RECIPE = "recipe.toml"
RECORD = "record.jsonl"
SPLIT = "split.json"
AUDIT = "audit.json"
PREDICTIONS = "predictions.safetensors"
MODEL = "model"
REPORT = "report.html"
PLAN, COMPARISON = "plan.json", "comparison.json"  # of a comparison, which holds many runs


def short_name(source: str) -> str:
    """Return a source as a part of a folder's name: ``../photos/`` becomes ``photos``."""
    stem = Path(source.rstrip("/\\")).name or Path(source).resolve().name
    word = re.sub(r"[^\w.-]+", "-", Path(stem).stem if "." in stem else stem).strip("-.")
    return word[:40] or "data"


def check_free(out: Path | None) -> None:
    """Refuse, before any work, a run folder that cannot be made.

    Raises:
        UsageError: something is there already.
    """
    if out is not None and (out.is_file() or (out.is_dir() and any(out.iterdir()))):
        raise _taken(out)


def create(recipe: Recipe, prepared: Prepared, out: Path | None) -> Path:
    """Make a new run folder with recipe, split and data card; it appears whole or not at all.

    Args:
        recipe: with the choices about the data made; the run can be resumed from it.
        prepared: the data.
        out: the folder; by default ``runs/<source>-<model>-<n>`` with the next free ``n``.

    Raises:
        UsageError: the folder exists and is not empty.
        DiskError: it cannot be written.
    """
    name = f"{short_name(recipe.data.source)}-{recipe.model.name or 'ladder'}"
    parent = out.parent if out is not None else Path("runs")
    with disk_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".tmp", dir=parent))
    try:
        if os.name != "nt":
            fresh.chmod(0o755)
        recipe.write(fresh / RECIPE)
        write_json(fresh / SPLIT, {"key": prepared.key, **prepared.split.to_dict()})
        write_json(fresh / AUDIT, prepared.audit.to_dict())
        if out is not None:
            return _rename(fresh, out)
        number = 1 + max((_number(path, name) for path in parent.iterdir()), default=0)
        while True:
            try:
                return _rename(fresh, parent / f"{name}-{number}")
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
            raise _taken(place) from error
        raise
    return place


def _taken(place: Path) -> UsageError:
    return UsageError(
        "this folder is not empty",
        given=place,
        next_step=f"choose another with --out, or go on there: gradatim resume {place}",
    )


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
    elif (place / PLAN).is_file():
        what = "this folder holds a comparison, not one run"
        shown = f"`gradatim report {place}` shows it; " if (place / COMPARISON).is_file() else ""
        hint = (
            f"{shown}the `gradatim compare` command that made it, with --out {place}, goes on "
            "where it was stopped"
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


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write the recipe of a run, or of a rung, unless the very same is there."""
    path = folder / RECIPE
    text = recipe.to_toml()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def seconds_spent(folder: Path) -> float:
    """Return the seconds an interrupted run has used for training, as far as they are known."""
    spent = 0.0
    for place in [folder, *sorted((folder / "rungs").glob("*"))]:
        ends = [event for event in read_record(place).events if "seconds" in event]
        spent += float(ends[-1]["seconds"]) if ends else 0.0
    return spent


def cut_after(folder: Path, event: str) -> None:
    """Cut the Record of a run after the last event of this name: what follows is written anew."""
    path = folder / RECORD
    length = position = 0
    with open(path, "rb") as file:
        for line in file:
            position += len(line)
            if json.loads(line)["event"] == event:
                length = position
    os.truncate(path, length)
