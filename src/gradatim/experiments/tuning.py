"""Tune: the user's own training step, measured in every precision, layout and form of the update.

The choices change bits, so a run never makes them by the clock (see ``training/machine.py``): it
takes the committed table, or what a recipe says. Here they are measured when the user asks for it,
and written into a recipe, which any number of runs can then repeat.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from torch import Tensor, nn

from gradatim.core.page import Page, Table, Text, Verdict
from gradatim.core.recipe import Recipe
from gradatim.core.talk import Talk
from gradatim.data.preparation import prepare
from gradatim.errors import UsageError
from gradatim.experiments import defaults, fitting
from gradatim.experiments import folder as folders
from gradatim.training import clock, machine, randomness
from gradatim.training import defaults as training_defaults
from gradatim.training.learner import Learner
from gradatim.training.losses import build as build_loss

SECONDS = 20.0  # of measuring, by default
WARM_UP = 2  # steps of each way that are not counted: kernels are chosen and memory is taken
LEAST_ROUNDS, MOST_ROUNDS = 3, 200
NEEDED = {"precision": 1.05, "layout": 1.02, "update": 1.02}
"""How many times as fast another value must be than the plain one to be taken instead."""
PLAIN = {"precision": "fp32", "layout": "contiguous", "update": "fused"}

Way = tuple[str, str, str]
"""Precision, layout and form of the update."""


@dataclass(frozen=True)
class Tuned:
    """What a step takes in every way, and the recipe with the fastest.

    Attributes:
        recipe: with the machine's choices made, each with its reason.
        batch: samples of a step.
        ways: ``(precision, layout, update)`` -> milliseconds of a step, of every round.
        failed: the ways that this machine does not have, with the reason.
        chosen: the way that is in the recipe.
        place: the file the recipe was written to.
    """

    recipe: Recipe
    batch: int
    ways: Mapping[Way, Sequence[float]]
    failed: Mapping[Way, str]
    chosen: Way
    place: Path

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("precision", "layout", "update")
        return {
            "model": self.recipe.model.name,
            "batch_size": self.batch,
            "threads": self.recipe.machine.threads,
            "chosen": dict(zip(names, self.chosen, strict=True)),
            "ways": [
                dict(zip(names, way, strict=True))
                | {
                    "milliseconds": median(times),
                    "least": min(times),
                    "most": max(times),
                    "rounds": len(times),
                }
                for way, times in self.ways.items()
            ],
            "failed": [
                dict(zip(names, way, strict=True)) | {"reason": reason}
                for way, reason in self.failed.items()
            ],
            "recipe": str(self.place),
        }

    @property
    def page(self) -> Page:
        """The measurements as a page."""
        plain = self.ways.get((PLAIN["precision"], PLAIN["layout"], PLAIN["update"]))
        ordered = sorted(self.ways.items(), key=lambda pair: median(pair[1]))
        rows = [
            (
                *way,
                median(times),
                f"{min(times):.3g} to {max(times):.3g}",
                median(plain) / median(times) if plain else None,
            )
            for way, times in ordered
        ]
        times = self.ways[self.chosen]
        words = ", ".join(self.chosen[:2]) + f", {self.chosen[2]} update"
        blocks: list[Any] = [
            Verdict(
                f"{words}: {median(times):.3g} ms a step of {self.batch} samples",
                f"median of {len(times)} rounds, in which every way took one step in turn",
                "good",
            ),
            Table(
                ("precision", "layout", "update", "ms a step", "range", "x as fast"),
                rows,
                "Every way, the fastest first; the last column is against fp32 and contiguous. "
                "Another way than the plain one is taken only where it gains more than noise: "
                "5 % by bf16, 2 % by layout or update.",
                emphasis=[position for position, (way, _) in enumerate(ordered)
                          if way == self.chosen],
                formats={"ms a step": ".3g", "x as fast": ".2f"},
            ),
            *(Text(f"Not on this machine: {', '.join(way)} ({why})", "note")
              for way, why in self.failed.items()),
            Text(f"Fit with it: gradatim fit --recipe {self.place}"),
        ]  # fmt: skip
        return Page(f"The training step of {self.recipe.model.name}", blocks)


def tune(recipe: Recipe, place: Path, talk: Talk, *, seconds: float = SECONDS) -> Tuned:
    """Measure the recipe's own step in every way this machine has; write the best into a recipe.

    What the recipe says already of the machine is kept and not tried otherwise.

    Args:
        recipe: names source and model.
        place: file the recipe is written to.
        talk: where progress goes.
        seconds: of measuring, about.

    Raises:
        UsageError: the file is there already, no model is named, or the model takes no steps.
        DataError: the source cannot be used.
    """
    if place.exists():
        raise UsageError(
            "this file is there already", given=place, next_step="name another with --out FILE"
        )
    if recipe.model.name is None:
        raise UsageError(
            "no model was named, so there is no step to measure",
            next_step="gradatim tune SOURCE --model resnet18",
        )
    defaults.check(recipe)
    prepared, recipe = prepare(recipe, talk=talk)
    recipe = fitting.settle(prepared, recipe)
    model = fitting.build(prepared, recipe)
    if getattr(model, "solved", False):
        raise UsageError(
            "this model is solved, not trained by steps: there is nothing to tune",
            given=recipe.model.name,
        )
    whole = machine.resolve(recipe, model)
    batch = next(iter(fitting.training_batches(prepared, whole)))
    times, failed = _measured(recipe, whole, model, prepared.spec.task, batch, talk, seconds)
    chosen = best(times)
    told = f"measured by gradatim tune: {median(times[chosen]):.3g} ms a step"
    plain = times.get((PLAIN["precision"], PLAIN["layout"], PLAIN["update"]))
    if plain is not None:
        told += f" against {median(plain):.3g} in fp32, contiguous and fused"
    values = dict(zip(("precision", "layout", "update"), chosen, strict=True))
    values = {f"machine.{name}": value for name, value in values.items()}
    tuned = whole.with_values(values, told)
    tuned.write(place)
    return Tuned(tuned, len(batch[0]), times, failed, chosen, place)


def of_run(run: Path) -> Recipe:
    """Return a run's recipe with the machine's choices open again."""
    recipe = folders.read_recipe(folders.find(run))
    opened = {f"machine.{name}": None for name in PLAIN}
    return recipe.with_values(opened | {"training.plan": None})


def ways_of(recipe: Recipe, model: nn.Module) -> list[Way]:
    """Return the ways to try: all that the recipe leaves open; channels-last for convolutions."""
    given = recipe.machine
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    layouts = ["contiguous", "channels-last"] if convolves else ["contiguous"]
    return [
        *itertools.product(
            [given.precision] if given.precision else ["fp32", "bf16"],
            [given.layout] if given.layout else layouts,
            [given.update] if given.update else ["fused", "foreach"],
        )
    ]


def best(times: Mapping[Way, Sequence[float]]) -> Way:
    """Return the fastest way; a value other than the plain one only where it gains enough.

    Args:
        times: of every way, round by round.
    """
    middle = {way: median(some) for way, some in times.items()}
    chosen = min(middle, key=lambda way: middle[way])
    for position, (name, least) in enumerate(NEEDED.items()):
        if chosen[position] == PLAIN[name]:
            continue
        plainer = {way: ms for way, ms in middle.items() if way[position] == PLAIN[name]}
        if plainer and min(plainer.values()) < least * middle[chosen]:
            middle = plainer
            chosen = min(middle, key=lambda way: middle[way])
    return chosen


def _measured(
    given: Recipe,
    recipe: Recipe,
    model: nn.Module,
    task: training_defaults.Task,
    batch: Any,
    talk: Talk,
    seconds: float,
) -> tuple[dict[Way, list[float]], dict[Way, str]]:
    """Take one step in every way in turn, again and again; return the milliseconds of each."""
    learners: dict[Way, tuple[Learner, Tensor, Tensor]] = {}
    failed: dict[Way, str] = {}
    times: dict[Way, list[float]] = {}
    device = machine.check_device(str(recipe.machine.device))
    plain = machine.Place.of(recipe.machine, model)
    with (
        randomness.given_back(device),
        machine.at_work(plain, recipe.machine.threads),
        talk.track("measuring steps", MOST_ROUNDS, "rounds") as bar,
    ):
        for way in ways_of(given, model):
            try:
                learner = _learner(recipe, model, task, way)
                learners[way] = learner, *learner.place.bring(batch)
                for _ in range(WARM_UP):
                    _step(*learners[way])
            except RuntimeError as error:  # e.g. oneDNN has no bf16 LSTM below AVX-512
                learners.pop(way, None)
                failed[way] = str(error).partition("\n")[0]
        if not learners:
            raise UsageError(
                "this model cannot take a step on this machine",
                given=next(iter(failed.values())),
            )
        times = {way: [] for way in learners}
        began = clock.now()
        for number in range(MOST_ROUNDS):
            for way, ready in learners.items():
                start = clock.now()
                _step(*ready)
                times[way].append(1000 * (clock.now() - start))
            bar.update(number + 1)
            if number + 1 >= LEAST_ROUNDS and clock.now() - began > seconds:
                break
    return times, failed


def _learner(recipe: Recipe, model: nn.Module, task: training_defaults.Task, way: Way) -> Learner:
    """Return a learner over a copy of the model, in its place."""
    values = dict(zip(("precision", "layout", "update"), way, strict=True))
    recipe = recipe.with_values({f"machine.{name}": value for name, value in values.items()})
    recipe = training_defaults.resolve(recipe, model, task)
    place = machine.Place.of(recipe.machine, model)
    own = place.settle(copy.deepcopy(model)).train()
    return Learner(own, build_loss(recipe.training, None), recipe, place)


def _step(learner: Learner, inputs: Tensor, targets: Tensor) -> None:
    """Take one step, at the rate 0, and wait for its end."""
    loss = learner.step(inputs, targets, 0.0)[0].item()
    if not math.isfinite(loss):
        raise UsageError("the loss of the first batch is not a finite number", given=loss)
