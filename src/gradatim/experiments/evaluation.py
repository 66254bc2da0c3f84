"""Measure the model of a run again: on its own test part, or on another source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradatim import package
from gradatim.core.recipe import Recipe
from gradatim.core.talk import Talk
from gradatim.data.dataset import Prepared, Split
from gradatim.data.preparation import prepare, prepare_for
from gradatim.errors import DataError, PackageError
from gradatim.experiments import ending, fitting
from gradatim.experiments import folder as folders


@dataclass(frozen=True)
class Subject:
    """A model to be measured, with samples in its test part.

    Attributes:
        place: the run folder.
        model: of the run.
        recipe: the model was fitted with.
        prepared: the run's own data, or another source as the model sees it.
    """

    place: Path
    model: package.Model
    recipe: Recipe
    prepared: Prepared


def evaluate_run(
    run: Path, source: str | None, target: str | None, data_dir: str | None, talk: Talk
) -> dict[str, Any]:
    """Return the fields of a ``test`` event for the run's own test part, or for another source."""
    one = subject(run, source, target, data_dir, talk)
    result = fitting.measure_on(one.prepared, one.recipe, one.model.module, "test")
    return {
        "run": str(one.place),
        "model": one.model.name,
        "source": source or one.recipe.data.source,
        **ending.test_event(one.prepared, result),
    }


def subject(
    run: Path, source: str | None, target: str | None, data_dir: str | None, talk: Talk
) -> Subject:
    """Return the model of a run with the samples it is measured on.

    Raises:
        NotARunError, PackageError: no run is there, or it has no model yet.
        DataError: the source cannot be used, or there is no test part.
    """
    place = folders.find(run)
    if not (place / folders.MODEL).exists():
        raise PackageError(
            "this run has no model yet", given=place, next_step=f"gradatim resume {place}"
        )
    model = package.load(place)
    recipe = recipe_of_model(place)
    if source is None:
        prepared = own_data(place, talk)
    else:
        prepared = _other_data(model, recipe, source, target, data_dir, talk)
    if not len(prepared.split.test):
        raise DataError(
            "this run has no test part",
            given=place,
            next_step=f"name a source to measure it on: gradatim evaluate {place} SOURCE",
        )
    return Subject(place, model, recipe, prepared)


def recipe_of_model(place: Path) -> Recipe:
    """Return the recipe of the model that is kept: of the winner of a ladder, or the run's own."""
    winner = folders.read_record(place).last("winner")
    if winner is None:
        return folders.read_recipe(place)
    rung = next(place.glob(f"rungs/{winner['rung']:02d}-*"))
    return folders.read_recipe(rung)


def own_data(place: Path, talk: Talk) -> Prepared:
    """Return the data of a run, in the parts it was fitted with."""
    split = Split.from_dict(json.loads((place / folders.SPLIT).read_text(encoding="utf-8")))
    prepared, _ = prepare(folders.read_recipe(place), talk=talk, split=split)
    return prepared


def _other_data(
    model: package.Model,
    recipe: Recipe,
    source: str,
    target: str | None,
    data_dir: str | None,
    talk: Talk,
) -> Prepared:
    """Return another source as the model sees it."""
    values = {
        "data.source": source,
        "data.folder": data_dir,
        "data.target": target or recipe.data.target,
    }
    other = Recipe().with_values({key: value for key, value in values.items() if value})
    return prepare_for(model.spec, model.preprocessing, other, talk=talk)
