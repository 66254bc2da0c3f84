"""One model, from its recipe to its best weights, measured on the validation samples.

Models that can be solved are solved; the others are descended by the loop.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import nn

from gradatim import models, training
from gradatim.core.duration import write_seconds
from gradatim.core.recipe import Recipe, fingerprint
from gradatim.core.record import RecordWriter
from gradatim.core.talk import Talk
from gradatim.data import larger
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.dataset import Part, Prepared
from gradatim.data.split import limited
from gradatim.data.streams import Streams
from gradatim.errors import DivergedError, ValueRefusedError
from gradatim.experiments import defaults, features, starting
from gradatim.experiments import folder as folders
from gradatim.experiments.clock import left_of
from gradatim.experiments.measure import Measured, measured
from gradatim.experiments.observing import observe
from gradatim.models import pretrained
from gradatim.models.external import is_external
from gradatim.training import machine

EVALUATION_BATCH = 512  # no gradients are kept, so more samples fit than in training
EVALUATED_PIXELS = 512 * 64 * 64  # of the images of one batch; a wide layer holds 100 maps of them
EVALUATION_STREAMS = 32  # of one text; each begins without a memory of what was before
TRIED_STEPS = 8  # training steps, at most, by which a deep net is timed
TRIED = 64  # validation samples by which the comparison with all neighbours is timed
FEATURES_SHARE = 0.3  # of the time of fine-tuning, for the features that it begins with
LEAST_NEIGHBOURS = 1000  # training samples that nearest neighbours keep however small the budget


class Solved(Protocol):
    """A model that is computed from the samples, not descended."""

    def solve(self, batches: Any, *arguments: Any) -> dict[str, float]:
        """Take the samples in; return what was found."""


@dataclass(frozen=True)
class Fitted:
    """A model with its best weights.

    Attributes:
        name: of the model.
        label: what it is called among others; the name where it starts from nothing.
        model: on the processor or device it was fitted on.
        recipe: with every choice made.
        reason: ``finished``, ``early-stopping``, ``interrupted``, ``non-finite``.
        seconds: the fitting took.
        parameters: numbers that were learnt; for neighbours, the numbers that are kept.
        measured: on the validation samples.
        note: what the user should know of this fit.
    """

    name: str
    model: nn.Module
    recipe: Recipe
    reason: str
    seconds: float
    parameters: int
    measured: Measured
    note: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.name)

    def differences(self, recipe: Recipe) -> dict[str, Any]:
        """Return the dotted keys in which this recipe differs from another."""
        return _different(fingerprint(self.recipe), fingerprint(recipe))


def fit_model(
    prepared: Prepared, recipe: Recipe, place: Path, talk: Talk, *, seconds: float | None
) -> Fitted:
    """Fit the recipe's model; go on where an earlier process stopped in the same folder.

    Args:
        prepared: the data.
        recipe: names the model; what it leaves open is chosen.
        place: run folder of this model.
        talk: where progress goes.
        seconds: how long this may take; None: the recipe's epochs say.

    Raises:
        DivergedError: the loss was no longer a finite number before any weights were kept.
    """
    recipe = settle(prepared, recipe)
    model = build(prepared, recipe)
    recipe = machine.resolve(recipe, model)
    folders.write_recipe(place, recipe)
    if recipe.start.weights is not None:
        return _from_weights(prepared, recipe, model, place, talk, seconds)
    if getattr(model, "solved", False):
        return _solve(prepared, recipe, model, place, talk, seconds)
    return _descend(prepared, recipe, model, place, talk, seconds)


def settle(prepared: Prepared, recipe: Recipe) -> Recipe:
    """Return the recipe with the choices that follow from model and data made."""
    model = str(recipe.model.name)
    recipe = larger.imply(recipe)
    if recipe.start.method in starting.METHODS:
        recipe = defaults.settle_tuning(recipe, prepared.spec)
    recipe = defaults.settle(recipe, prepared.spec, len(prepared.split.train), model)
    return larger.settle(recipe, prepared)


def build(prepared: Prepared, recipe: Recipe) -> nn.Module:
    """Build the model; its first weights are a function of the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return models.build(str(recipe.model.name), prepared.spec, recipe.model.options)


def batches(prepared: Prepared, recipe: Recipe, part: Part | np.ndarray) -> Batches | Streams:
    """Return the batches of a part in order and unchanged, for measuring."""
    if prepared.spec.task == "next-token":
        return Streams(prepared, part, batch_size=EVALUATION_STREAMS)
    return Batches(
        prepared,
        part,
        batch_size=evaluation_batch(prepared),
        shuffle=False,
        layout=recipe.machine.layout or "contiguous",
    )


def evaluation_batch(prepared: Prepared) -> int:
    """Return how many samples are measured at once: of large images fewer."""
    if prepared.spec.kind != "image":
        return EVALUATION_BATCH
    _, height, width = prepared.spec.shape
    return max(1, min(EVALUATION_BATCH, EVALUATED_PIXELS // (height * width)))


def measure_on(
    prepared: Prepared, recipe: Recipe, model: nn.Module, part: Part | np.ndarray
) -> Measured:
    """Measure a model on one part of the data."""
    evaluation = training.evaluate(
        model,
        batches(prepared, recipe, part),
        spec=prepared.spec,
        loss=None,
        machine=recipe.machine,
        unscale=(prepared.preprocessing.target_mean, prepared.preprocessing.target_std),
    )
    return measured(evaluation, prepared.spec)


def _from_weights(
    prepared: Prepared,
    recipe: Recipe,
    model: nn.Module,
    place: Path,
    talk: Talk,
    seconds: float | None,
) -> Fitted:
    """Fit a network that starts from weights, or, for comparison, forgets them."""
    began = time.monotonic()
    label = starting.label(recipe)
    if recipe.start.method == "scratch":
        if is_external(str(recipe.model.name)):
            starting.forget(model, recipe.seed)
        return replace(_descend(prepared, recipe, model, place, talk, seconds), label=label)
    start = starting.begin(model, prepared.spec, recipe, talk)
    recipe = defaults.settle_start(recipe, prepared.spec, start.head.exact)
    recipe = recipe.filled({"start.layer": start.head.name}, "the last layer that is called")
    facts: dict[str, Any] = {}
    if recipe.start.method == "features" or recipe.start.head == "features":
        if not start.head.exact:
            raise ValueRefusedError(
                "the answers of this network are not those of a dense layer, so nothing can be "
                "fitted on its features",
                given=recipe.model.name,
                next_step="set start.method=fine-tuning and start.head=rows",
            )
        layer = cast(nn.Linear, model.get_submodule(start.head.name))
        body = features.Body(prepared, recipe, model, start.head.name, talk)
        body.recipe = recipe = features.within(body, _seconds_of_features(recipe, seconds))
        folders.write_recipe(place, recipe)
        found = features.fit(body, start.rows)
        with torch.no_grad():
            layer.weight.copy_(found.weight)
            if layer.bias is not None:
                layer.bias.copy_(found.bias)
        facts = found.facts
    elif recipe.start.head == "rows":
        factor = pretrained.level_rows(model.get_submodule(start.head.name), start.rows)
        start.facts["rows_factor"] = factor
    told = {"start": {**start.facts, "features": facts}}
    if recipe.start.method == "fine-tuning":
        left = None if seconds is None else left_of(seconds, began)
        fitted = _descend(prepared, recipe, model, place, talk, left, told)
        spent = max(fitted.seconds, time.monotonic() - began)
        note = _said_of_rows(start.facts, facts)
        return replace(fitted, label=label, seconds=spent, note=note)
    spent = time.monotonic() - began
    said = (_said_of_features(prepared, facts), _said_of_rows(start.facts, facts))
    _record_solved(prepared, recipe, model, place, spent, facts, told)
    return Fitted(
        name=str(recipe.model.name),
        model=model,
        recipe=recipe,
        reason="finished",
        seconds=spent,
        parameters=sum(p.numel() for p in model.parameters()),
        measured=measure_on(prepared, recipe, model, "validation"),
        note="; ".join(filter(None, said)),
        label=label,
    )


def _seconds_of_features(recipe: Recipe, seconds: float | None) -> float | None:
    """Return how long taking features may last: all of its time, or a share where it begins."""
    if seconds is None or recipe.start.method == "features":
        return seconds
    return FEATURES_SHARE * seconds


def _said_of_rows(start: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return in words which rows of the old output layer were copied, and what they bought."""
    pairs = [f"{new} = {old}" if new != old else new for new, old in start["rows"].items()]
    if not pairs:
        return ""
    said = f"rows of the old output layer copied by name: {', '.join(pairs)}"
    if "with_rows" not in facts:
        return said
    one, other = facts["with_rows"], facts["without_rows"]
    left_out = other["loss"] < one["loss"]
    end = ", so they were left out" if left_out else ""
    return (
        f"{said}; with them the layer fitted on features gets {one['right']:,} of {one['n']:,} "
        f"validation samples right ({one['loss']:.3f} nats), "
        f"without them {other['right']:,} ({other['loss']:.3f}){end}"
    )


def _said_of_features(prepared: Prepared, facts: Mapping[str, Any]) -> str:
    """Return in words what was fitted on features."""
    said = f"a linear layer on {facts['features']:,} features that stay as they are"
    count, used = len(prepared.split.train), facts["samples"]
    if used < count:
        said += f", of {used:,} of {count:,} training samples: there was no time for more"
    if "neighbours" in facts and prepared.spec.classes:
        share = f"{100 * facts['neighbours']:.1f} % of the validation samples"
        nearest = facts["neighbours_k"]
        who = "the nearest neighbour" if nearest == 1 else f"{nearest} nearest neighbours"
        said += f"; {who} of the same features get{'s' if nearest == 1 else ''} {share}"
    return said


def _descend(
    prepared: Prepared,
    recipe: Recipe,
    model: nn.Module,
    place: Path,
    talk: Talk,
    seconds: float | None,
    told: Mapping[str, Any] | None = None,
) -> Fitted:
    began = time.monotonic()
    train = training_batches(prepared, recipe)  # may have to store larger pictures first
    seconds = None if seconds is None else left_of(seconds, began)
    validation = batches(prepared, recipe, "validation")
    trained = training.train(
        model,
        train,
        validation=validation if validation.samples else None,
        recipe=recipe,
        spec=prepared.spec,
        folder=place,
        resume=True,
        talk=talk,
        seconds=seconds if recipe.training.plan is None else None,
        evaluations_after=_evaluations_after(prepared),
        unscale=(prepared.preprocessing.target_mean, prepared.preprocessing.target_std),
        class_counts=class_counts(prepared),
        facts=data_facts(prepared, recipe) | dict(told or {}),
        observe=observe,
    )
    folders.write_recipe(place, trained.recipe)
    measured_once = trained.reason != "interrupted" and validation.samples
    if not trained.best_epoch and (trained.reason == "non-finite" or measured_once):
        raise _diverged(place, trained)
    return Fitted(
        name=str(recipe.model.name),
        model=trained.model,
        recipe=trained.recipe,
        reason=trained.reason,
        seconds=trained.seconds,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        measured=measure_on(prepared, recipe, model, "validation"),
    )


def _evaluations_after(prepared: Prepared) -> float:
    """Return what is measured after a training: the validation samples again and the test part."""
    validation, test = len(prepared.split.validation), len(prepared.split.test)
    return (validation + test) / validation if validation else 0.0


def _diverged(place: Path, trained: training.Trained) -> DivergedError:
    """Return the error of a training that no weights are left of; its Record stays."""
    last = folders.read_record(place).last("step") or {}
    highest = float(trained.recipe.training.learning_rate or 0.0)
    at_once = trained.reason == "non-finite" and trained.step == 1
    if trained.reason == "non-finite":
        loss = f"the loss of step {trained.step:,}"
    else:
        loss = f"the validation loss after step {trained.step:,}"
    cause = f"`gradatim diagnose {place}` looks for the cause"
    lower = f"fit again with `--set training.learning_rate={highest / 10:.3g}`"
    return DivergedError(
        f"training diverged: {loss} is not a finite number, at a learning rate of "
        f"{float(last.get('learning_rate', highest)):.3g}, and no validation before had weights "
        "worth keeping",
        # Before the first step no learning rate has done anything.
        next_step=cause if at_once else f"{lower}; {cause}",
    )


def training_batches(prepared: Prepared, recipe: Recipe) -> Batches | Streams:
    """Return the batches of the training part, shuffled and augmented as the recipe says."""
    if prepared.spec.task == "next-token":
        return Streams(prepared, "train", batch_size=int(recipe.data.batch_size or 32))
    return Batches(
        prepared,
        "train",
        batch_size=int(recipe.data.batch_size or 32),
        seed=recipe.seed,
        augmentation=Augmentation.from_recipe(recipe.data),
        shuffle=True,
        order=recipe.data.order or "shuffled",
        layout=recipe.machine.layout or "contiguous",
    )


def _solve(
    prepared: Prepared,
    recipe: Recipe,
    model: nn.Module,
    place: Path,
    talk: Talk,
    seconds: float | None,
) -> Fitted:
    """Solve the model from the training samples; nothing of it needs a checkpoint."""
    began = time.monotonic()
    solved = cast(Solved, model)
    validation = batches(prepared, recipe, "validation")
    name = str(recipe.model.name)
    train, note = prepared.split.train, ""
    if name == "knn" and seconds is not None:
        recipe = _neighbours_that_fit(prepared, recipe, model, seconds)
    if recipe.data.limit is not None and recipe.data.limit < len(train):
        spec, limit = prepared.spec, recipe.data.limit
        note = f"{limit:,} of {len(train):,} training samples; {recipe.reasons['data.limit']}"
        train = limited(prepared.split, prepared.targets, spec.classes, limit, recipe.seed).train
    with talk.track(f"solving {name}", 1) as bar:
        samples = batches(prepared, recipe, train)
        with machine.at_work(machine.Place.of(recipe.machine, model), recipe.machine.threads):
            facts = solved.solve(samples, validation) if name == "knn" else solved.solve(samples)
        bar.update(1)
    spent = time.monotonic() - began
    _record_solved(prepared, recipe, model, place, spent, facts)
    return Fitted(
        name=name,
        model=model,
        recipe=recipe,
        reason="finished",
        seconds=spent,
        parameters=_count(model),
        measured=measure_on(prepared, recipe, model, "validation"),
        note=note,
    )


def _record_solved(
    prepared: Prepared,
    recipe: Recipe,
    model: nn.Module,
    place: Path,
    spent: float,
    facts: Mapping[str, Any],
    told: Mapping[str, Any] | None = None,
) -> None:
    """Write the Record of a model that was solved, and its recipe."""
    with RecordWriter(place / folders.RECORD, length=0) as record:
        record.write(
            "run",
            **data_facts(prepared, recipe),
            model=str(recipe.model.name),
            options=dict(getattr(model, "options", {})),
            parameters=_count(model),
            machine=machine.describe(),
            **(told or {}),
        )
        record.write("end", reason="finished", epoch=1, step=0, seconds=spent, solved=facts)
    folders.write_recipe(place, recipe)


def _neighbours_that_fit(
    prepared: Prepared, recipe: Recipe, model: nn.Module, seconds: float
) -> Recipe:
    """Return the recipe with as many training samples as can be compared within the time.

    A few comparisons are timed. Those of a validation sample are needed twice, to choose k and to
    measure; those of a test sample once, if no other model does better.
    """
    train, validation = prepared.split.train, prepared.split.validation
    if recipe.data.limit or len(validation) <= TRIED or len(train) <= LEAST_NEIGHBOURS:
        return recipe
    cast(Solved, model).solve(batches(prepared, recipe, train), None)
    began = time.monotonic()
    measure_on(prepared, recipe, model, validation[:TRIED])
    compared = 2 * len(validation) + len(prepared.split.test)
    needed = (time.monotonic() - began) * compared / TRIED
    kept = max(LEAST_NEIGHBOURS, int(len(train) * seconds / needed))
    if kept >= len(train):
        return recipe
    reason = f"comparing with all {len(train):,} samples would take {write_seconds(needed)}"
    return recipe.with_values({"data.limit": kept}, reason)


def seconds_per_step(prepared: Prepared, recipe: Recipe, enough: float, patience: float) -> float:
    """Return the time of one training step of the recipe's model, tried on a throw-away copy.

    Trying ends as soon as one step, the first and slowest left out, took less than ``enough``, or
    all together took longer than ``patience``, in seconds.
    """
    recipe = settle(prepared, recipe)
    model = build(prepared, recipe)
    recipe = machine.resolve(recipe, model)
    place = machine.Place.of(recipe.machine, model)
    times = []
    with machine.at_work(place, recipe.machine.threads):
        place.settle(model)
        for batch in itertools.islice(training_batches(prepared, recipe).epoch(0), TRIED_STEPS):
            began = time.monotonic()
            inputs, _ = place.bring(batch)
            with place.autocast():
                loss = model(inputs).float().square().mean()
            loss.backward()
            times.append(time.monotonic() - began)
            if (times[1:] and times[-1] <= enough) or sum(times) > patience:
                break
    return min(times)


def _count(model: nn.Module) -> int:
    """Return the numbers a model holds: parameters, or the samples that neighbours keep."""
    return sum(tensor.numel() for tensor in model.state_dict().values())


def class_counts(prepared: Prepared) -> list[int] | None:
    """Return the training samples of each class, or token; None for a regression."""
    if prepared.spec.task == "regression":
        return None
    targets = prepared.targets[prepared.split.train]
    counts: list[int] = np.bincount(targets.ravel(), minlength=prepared.spec.outputs).tolist()
    return counts


def data_facts(prepared: Prepared, recipe: Recipe) -> dict[str, Any]:
    """Return what the Record's ``run`` event says about the data."""
    spec = prepared.spec
    return {
        "name": folders.short_name(recipe.data.source),
        "source": recipe.data.source,
        "task": spec.task,
        "kind": spec.kind,
        "classes": list(spec.classes),
        "target": spec.target,
        "unit": spec.unit,
        "samples": {
            part: len(prepared.split.part(part)) for part in ("train", "validation", "test")
        },
        "seed": recipe.seed,
    }


def _different(
    one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = ""
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in one.items():
        if isinstance(value, Mapping):
            found |= _different(value, other.get(key, {}), f"{prefix}{key}.")
        elif value != other.get(key) and key not in ("version", "rungs"):
            found[f"{prefix}{key}"] = value
    return found
