"""Tune: the user's own training step, measured in every way there is to compute it.

First precision, layout and form of the update are tried in all their combinations; then, around
the fastest, other numbers of threads and, where asked for, the model compiled by ``torch.compile``.

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
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gradatim.core.cores import cores
from gradatim.core.page import Page, Table, Text, Verdict
from gradatim.core.recipe import MachineRecipe, Recipe
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
NEEDED = {"precision": 1.05, "layout": 1.02, "update": 1.02, "threads": 1.05, "compile": 1.05}
"""How many times as fast another value must be than the plain one to be taken instead."""


class Way(NamedTuple):
    """One way to take a step: keys of the recipe's ``machine`` section."""

    precision: str = "fp32"
    layout: str = "contiguous"
    update: str = "fused"
    threads: int = 1
    compile: bool = False

    @property
    def words(self) -> str:
        """The way in words."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        compiled = ", compiled" if self.compile else ""
        return f"{self.precision}, {self.layout}, {self.update} update, {threads}{compiled}"


@dataclass(frozen=True)
class Tuned:
    """What a step takes in every way, and the recipe with the fastest.

    Attributes:
        recipe: with the machine's choices made, each with its reason.
        batch: samples of a step.
        plain: the way in fp32, contiguous, with PyTorch's number of threads.
        ways: milliseconds of a step, of every round.
        failed: the ways that this machine does not have, with the reason.
        chosen: the way that is in the recipe.
        place: the file the recipe was written to.
    """

    recipe: Recipe
    batch: int
    plain: Way
    ways: Mapping[Way, Sequence[float]]
    failed: Mapping[Way, str]
    chosen: Way
    place: Path

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model": self.recipe.model.name,
            "batch_size": self.batch,
            "chosen": self.chosen._asdict(),
            "ways": [
                way._asdict()
                | {
                    "milliseconds": median(times),
                    "least": min(times),
                    "most": max(times),
                    "rounds": len(times),
                }
                for way, times in self.ways.items()
            ],
            "failed": [way._asdict() | {"reason": reason} for way, reason in self.failed.items()],
            "recipe": str(self.place),
        }

    @property
    def page(self) -> Page:
        """The measurements as a page."""
        plain = self.ways.get(self.plain)
        ordered = sorted(self.ways.items(), key=lambda pair: median(pair[1]))
        rows = [
            (
                *way[:4],
                "yes" if way.compile else "no",
                median(times),
                f"{min(times):.3g} to {max(times):.3g}",
                median(plain) / median(times) if plain else None,
            )
            for way, times in ordered
        ]
        times = self.ways[self.chosen]
        blocks: list[Any] = [
            Verdict(
                f"{self.chosen.words}: {median(times):.3g} ms a step of {self.batch} samples",
                f"median of {len(times)} rounds, in which every way took one step in turn",
                "good",
            ),
            Table(
                (*Way._fields[:4], "compiled", "ms a step", "range", "x as fast"),
                rows,
                "Every way, the fastest first; the last column is against fp32 and contiguous. "
                "Another way than the plain one is taken only where it gains more than noise: "
                "2 % by layout or update, 5 % by bf16, threads or compiling.",
                emphasis=[position for position, (way, _) in enumerate(ordered)
                          if way == self.chosen],
                formats={"ms a step": ".3g", "x as fast": ".2f"},
            ),
            *(Text(f"Not on this machine: {way.words} ({why})", "note")
              for way, why in self.failed.items()),
            Text(f"Fit with it: gradatim fit --recipe {self.place}"),
        ]  # fmt: skip
        return Page(f"The training step of {self.recipe.model.name}", blocks)


def tune(
    recipe: Recipe, place: Path, talk: Talk, *, seconds: float = SECONDS, compiled: bool = False
) -> Tuned:
    """Measure the recipe's own step in every way this machine has; write the best into a recipe.

    What the recipe says already of the machine is kept and not tried otherwise.

    Args:
        recipe: names source and model.
        place: file the recipe is written to.
        talk: where progress goes.
        seconds: of measuring, about.
        compiled: whether the model is tried compiled, too, which takes its own time before.

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
    plain = Way(threads=int(whole.machine.threads or 1))
    task, kept = prepared.spec.task, recipe.machine
    ways = ways_of(recipe, model, plain)
    times, failed = _measured(ways, whole, model, task, batch, talk, 2 / 3 * seconds)
    first = best(times, plain)
    others = further(first, kept, compiled)
    chosen = first
    if others:
        talk.say(f"fastest so far: {first.words}")
        last, more = _measured([first, *others], whole, model, task, batch, talk, seconds / 3)
        chosen = best(last, first)
        times = times | {way: [*times.get(way, []), *some] for way, some in last.items()}
        failed = failed | more
    told = f"measured by gradatim tune: {median(times[chosen]):.3g} ms a step"
    if plain in times:
        told += f" against {median(times[plain]):.3g} in fp32, contiguous and fused"
    values = {f"machine.{name}": value for name, value in chosen._asdict().items() if value}
    tuned = whole.with_values(values, told)
    tuned.write(place)
    return Tuned(tuned, len(batch[0]), plain, times, failed, chosen, place)


def of_run(run: Path) -> Recipe:
    """Return a run's recipe with the machine's choices open again."""
    recipe = folders.read_recipe(folders.find(run))
    opened = {f"machine.{name}": None for name in Way._fields}
    return recipe.with_values(opened | {"training.plan": None})


def ways_of(recipe: Recipe, model: nn.Module, plain: Way) -> list[Way]:
    """Return the ways to try first: every precision, layout and update that is left open.

    Args:
        recipe: what it says of the machine is kept.
        model: channels-last is tried where it convolves.
        plain: has the number of threads.
    """
    given = recipe.machine
    convolves = any(isinstance(module, nn.Conv2d) for module in model.modules())
    layouts = ["contiguous", "channels-last"] if convolves else ["contiguous"]
    products = itertools.product(
        [given.precision] if given.precision else ["fp32", "bf16"],
        [given.layout] if given.layout else layouts,
        [given.update] if given.update else ["fused", "foreach"],
    )
    return [Way(*values, plain.threads, bool(given.compile)) for values in products]


def further(way: Way, given: MachineRecipe, compiled: bool) -> list[Way]:
    """Return the ways to try beside the fastest so far: with one thread or all, and compiled."""
    counts = {1, cores()} - {way.threads} if given.threads is None else set()
    ways = [way._replace(threads=count) for count in sorted(counts)]
    if compiled and given.compile is None:
        ways.append(way._replace(compile=True))
    return ways


def best(times: Mapping[Way, Sequence[float]], plain: Way) -> Way:
    """Return the fastest way; a value other than the plain one only where it gains enough.

    Args:
        times: of every way, round by round.
        plain: the way whose values need no gain.
    """
    middle = {way: median(some) for way, some in times.items()}
    chosen = min(middle, key=lambda way: middle[way])
    for name, least in NEEDED.items():
        if getattr(chosen, name) == getattr(plain, name):
            continue
        plainer = {
            way: ms for way, ms in middle.items() if getattr(way, name) == getattr(plain, name)
        }
        if plainer and min(plainer.values()) < least * middle[chosen]:
            middle = plainer
            chosen = min(middle, key=lambda way: middle[way])
    return chosen


def _measured(
    ways: Sequence[Way],
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
        for way in ways:
            torch.set_num_threads(way.threads)
            try:
                learner = _learner(recipe, model, task, way)
                learners[way] = learner, *learner.place.bring(batch)
                for _ in range(WARM_UP):
                    _step(*learners[way])
            except (RuntimeError, UsageError) as error:
                # e.g. oneDNN has no bf16 LSTM below AVX-512; there is no compiler
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
                torch.set_num_threads(way.threads)
                start = clock.now()
                _step(*ready)
                times[way].append(1000 * (clock.now() - start))
            bar.update(number + 1)
            if number + 1 >= LEAST_ROUNDS and clock.now() - began > seconds:
                break
    return times, failed


def _learner(recipe: Recipe, model: nn.Module, task: training_defaults.Task, way: Way) -> Learner:
    """Return a learner over a copy of the model, in its place."""
    values = way._asdict()
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
