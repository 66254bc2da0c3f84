"""One command from data to a measured, packaged, reported model; every part can be resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradatim.core.recipe import Recipe
from gradatim.core.talk import Talk
from gradatim.data import prepare
from gradatim.data.dataset import Split
from gradatim.errors import CheckpointError
from gradatim.experiments import folder as folders
from gradatim.experiments.clock import Clock
from gradatim.experiments.defaults import BUDGET


@dataclass(frozen=True)
class Run:
    """A run that has ended: where it is and what came out.

    Attributes:
        folder: the run folder.
        recipe: with every choice made.
        model: name of the model that is kept, the winner of a ladder.
        reason: ``finished``, ``early-stopping``, ``interrupted`` or ``non-finite``.
        test: fields of the ``test`` event; None where nothing could be measured on a test part.
    """

    folder: Path
    recipe: Recipe
    model: str
    reason: str
    test: dict[str, Any] | None

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read a run from its folder."""
        record = folders.read_record(folder)
        done, test = record.last("done"), record.last("test")
        winner = record.last("winner") or record.last("run") or {}
        return cls(
            folder,
            folders.read_recipe(folder),
            winner.get("model", ""),
            done["reason"] if done else "unfinished",
            {key: value for key, value in test.items() if key != "event"} if test else None,
        )

    def summary(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "run": str(self.folder),
            "report": str(self.folder / folders.REPORT),
            "model": self.model,
            "reason": self.reason,
            "test": self.test,
            "recipe": self.recipe.to_dict(),
        }


def start(recipe: Recipe, out: Path | None, talk: Talk) -> Run:
    """Fit as the recipe says, in a new run folder."""
    check(recipe)
    folders.check_free(out)
    prepared, recipe = prepare(recipe, talk=talk)
    if recipe.training.epochs is None and recipe.training.budget is None:
        recipe = recipe.filled({"training.budget": BUDGET}, "neither budget nor epochs were given")
    clock = Clock(recipe.training.budget)
    place = folders.create(recipe, prepared, out)
    talk.say(f"run folder {place}")
    return carry_out(place, prepared, recipe, clock, talk)


def go_on(place: Path, talk: Talk) -> Run:
    """Go on with a run that has not ended; leave one that has ended alone."""
    place = folders.find(place)
    record = folders.read_record(place)
    done = record.last("done")
    if done is not None and done["reason"] != "interrupted":
        talk.say(f"{place} is finished; nothing to do")
        return Run.read(place)
    recipe = folders.read_recipe(place)
    try:
        kept = json.loads((place / folders.SPLIT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError("the split of this run cannot be read", given=place) from error
    prepared, recipe = prepare(recipe, talk=talk, split=Split.from_dict(kept))
    if prepared.key != kept["key"]:
        raise CheckpointError(
            "the data are no longer those the run began with",
            given=recipe.data.source,
            next_step="bring the old data back, or fit again",
        )
    clock = Clock(recipe.training.budget, spent=_spent(record))
    return carry_out(place, prepared, recipe, clock, talk)
