"""One command from data to a measured, packaged, reported model; every part can be resumed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradatim.core.duration import write_seconds
from gradatim.core.recipe import Recipe
from gradatim.core.record import RecordWriter
from gradatim.core.talk import SILENCE, Talk
from gradatim.data import prepare
from gradatim.data.dataset import Prepared, Split
from gradatim.errors import CheckpointError
from gradatim.experiments import defaults, ending, fitting, starting
from gradatim.experiments import folder as folders
from gradatim.experiments.clock import Clock
from gradatim.experiments.ladder import climb
from gradatim.training import machine

LONG_AUDIT = 0.5  # of the budget


@dataclass(frozen=True)
class Run:
    """A run: where it is and what came out.

    Attributes:
        folder: the run folder.
        recipe: with every choice made.
        model: name of the model that is kept, the winner of a ladder.
        reason: ``finished``, ``early-stopping``, ``interrupted``, ``non-finite`` or ``unfinished``.
        test: fields of the ``test`` event; None where there is no test part.
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


def start(recipe: Recipe, out: Path | None, talk: Talk, began: float | None = None) -> Run:
    """Fit as the recipe says, in a new run folder; a budget counts from ``began``, else from now.

    The folder appears after the audit, whole: a source that cannot be used leaves nothing behind.
    """
    began = time.monotonic() if began is None else began
    folders.check_free(out)
    defaults.check(recipe)
    if recipe.start.weights is not None:
        recipe = starting.settle(recipe, talk)
    prepared, recipe = prepare(recipe, talk=talk)
    if recipe.training.epochs is None and recipe.training.budget is None:
        reason = "neither a budget nor epochs were given"
        recipe = recipe.filled({"training.budget": defaults.BUDGET}, reason)
    if recipe.model.name and not starting.is_ladder(recipe):
        recipe = fitting.settle(prepared, recipe)
    if recipe.model.name:
        model = fitting.build(prepared, recipe)  # refuses options before anything is written
        if recipe.start.weights is not None:
            starting.begin(model, prepared.spec, recipe, SILENCE)  # and weights that do not fit
    clock = Clock(recipe.training.budget, began)
    _tell_long_audit(clock, talk)
    place = folders.create(recipe, prepared, out)
    talk.say(f"run folder {place}")
    if advice := machine.advice(recipe.machine):
        talk.say(advice)
    return _carry_out(place, prepared, recipe, clock, talk)


def go_on(place: Path, talk: Talk, began: float | None = None) -> Run:
    """Go on with a run that has not ended; leave one that has ended alone."""
    began = time.monotonic() if began is None else began
    place = folders.find(place)
    record = folders.read_record(place)
    done = record.last("done")
    if done is not None and done["reason"] != "interrupted":
        talk.say(f"{place} is finished; nothing is left to do")
        if not (place / folders.REPORT).exists():
            ending.write_report(place)
        return Run.read(place)
    recipe = folders.read_recipe(place)
    try:
        kept = json.loads((place / folders.SPLIT).read_text(encoding="utf-8"))
        split = Split.from_dict(kept)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the split of this run cannot be read ({error})",
            given=place / folders.SPLIT,
            next_step=f"fit again: gradatim fit --recipe {place / folders.RECIPE}",
        ) from error
    prepared, _ = prepare(recipe, talk=talk, split=split)
    if prepared.key != kept["key"]:
        raise CheckpointError(
            "the data are no longer those the run began with",
            given=recipe.data.source,
            next_step="bring the old data back, or fit again",
        )
    clock = Clock(recipe.training.budget, began, spent=folders.seconds_spent(place))
    return _carry_out(place, prepared, recipe, clock, talk)


def _tell_long_audit(clock: Clock, talk: Talk) -> None:
    """Warn where the audit has left little of the budget for training."""
    if clock.budget is not None and clock.spent > LONG_AUDIT * clock.budget:
        talk.warn(
            f"the audit took {write_seconds(clock.spent)} of the budget of "
            f"{write_seconds(clock.budget)}; the decoded data are kept, so the next start is quick"
        )


def _carry_out(place: Path, prepared: Prepared, recipe: Recipe, clock: Clock, talk: Talk) -> Run:
    """Fit, measure on the test part once, package and report."""
    if not starting.is_ladder(recipe):
        seconds = clock.left(ending.SECONDS)
        fitted = fitting.fit_model(prepared, recipe, place, talk, seconds=seconds)
    else:
        fitted = climb(place, prepared, recipe, clock, talk).fitted
    folders.cut_after(place, "winner" if starting.is_ladder(recipe) else "end")
    with RecordWriter(place / folders.RECORD) as record:
        ending.measure_and_keep(place, prepared, fitted, record, talk)
        record.write("done", reason=fitted.reason, seconds=clock.spent)
        record.flush(durable=True)
    ending.write_report(place)
    return replace(Run.read(place), reason=fitted.reason)
