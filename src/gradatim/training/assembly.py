"""Assembly: from the arguments of ``train`` to a run that is ready for its first step."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.core.files import disk_errors
from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec
from gradatim.core.talk import Talk
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError
from gradatim.training import losses, machine, metrics
from gradatim.training.averaging import Average
from gradatim.training.best import Best
from gradatim.training.carrying import carries
from gradatim.training.checkpoint import Checkpoint
from gradatim.training.defaults import Task, resolve
from gradatim.training.evaluation import METRICS_OF, loss_without_training_terms, task_of
from gradatim.training.feed import Feed
from gradatim.training.interruption import Interruption
from gradatim.training.journal import Journal, Progress
from gradatim.training.learner import Learner
from gradatim.training.losses import Loss
from gradatim.training.machine import Place
from gradatim.training.pace import Pace, PlanFile, time_parts
from gradatim.training.plan import Plan, plan_for_epochs, plan_for_steps, read_points
from gradatim.training.randomness import given_back
from gradatim.training.run import Run, State, check_fits

TRAIN_METRIC: dict[Task, str] = {
    "classification": "accuracy",
    "next-token": "accuracy",
    "regression": "mae",
}
_SECTIONS = {"seed": "seed"} | {
    key: f"machine.{key}" for key in ("device", "precision", "layout", "threads", "update")
}


@dataclass(frozen=True)
class Request:
    """The arguments of ``train``; ``own_loss`` is a loss given as a function.

    ``began`` is the reading of the clock when ``train`` was called: a budget counts from there.
    """

    began: float
    model: nn.Module
    batches: Any
    validation: Iterable[Any] | None
    recipe: Recipe
    own_loss: Loss | None
    spec: Spec | None
    folder: Path | None
    resume: bool
    talk: Talk
    seconds: float | None
    evaluations_after: float
    unscale: tuple[float, float]
    class_counts: Sequence[int] | None
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.recipe.model.name or type(self.model).__name__


@dataclass(frozen=True)
class Kept:
    """What the checkpoint of an earlier process kept."""

    counters: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    epochs: list[dict[str, Any]]


def read_settings(recipe: Recipe, settings: Mapping[str, Any]) -> tuple[Recipe, Loss | None]:
    """Return the recipe with the keyword settings of ``train``, and a loss given as a function.

    Raises:
        UnknownNameError: no such setting.
        ValueRefusedError: a value of the wrong type.
    """
    own_loss: Loss | None = None
    values = {}
    known = [*_SECTIONS, *recipe.training.__dataclass_fields__]
    for key, value in settings.items():
        if key not in known:
            raise UnknownNameError("training has no such setting", given=key, allowed=known)
        if key == "loss" and callable(value):
            own_loss = value
            value = f"function {getattr(value, '__name__', type(value).__name__)}"
        values[_SECTIONS.get(key, f"training.{key}")] = value
    return recipe.with_values(values), own_loss


def read_kept(request: Request) -> Kept | None:
    """Return what the folder's checkpoint kept; None when the run starts from the beginning.

    Raises:
        UsageError: the folder holds a run that is not to be resumed.
        CheckpointError: the checkpoint is damaged.
    """
    if request.folder is None:
        return None
    with disk_errors(request.folder):
        request.folder.mkdir(parents=True, exist_ok=True)
    record = request.folder / "record.jsonl"
    checkpoint = Checkpoint(request.folder)
    if not request.resume:
        if checkpoint.exists or (record.exists() and record.stat().st_size):
            raise UsageError(
                "this folder already holds a run",
                given=request.folder,
                next_step="resume it (resume=True), or choose another folder",
            )
        return None
    if not checkpoint.exists:
        return None
    counters, tensors = checkpoint.read()
    return Kept(counters, tensors, _epochs(record, counters["record"]))


def find_task(request: Request, feed: Feed) -> Task:
    """Return the task: the spec's, else that of the loss, else that of the targets' type."""
    if request.spec is not None:
        return request.spec.task
    if request.own_loss is None and request.recipe.training.loss is not None:
        of_values = request.recipe.training.loss in ("squared-error", "absolute-error")
        return "regression" if of_values else "classification"
    first = next(feed.epoch(0))
    return task_of(Place(torch.device("cpu"), "fp32", False).bring(first)[1])


def with_kept_machine(recipe: Recipe, kept: Kept) -> Recipe:
    """Return the recipe with the machine's choices as the run began, where it leaves them open."""
    values = {f"machine.{key}": v for key, v in kept.counters["recipe"]["machine"].items()}
    return recipe.filled(values, "as the run began")


def assemble(request: Request, feed: Feed, task: Task, kept: Kept | None, stack: ExitStack) -> Run:
    """Return the run, with model, optimiser and counters as the checkpoint kept them, if any.

    Args:
        request: with its recipe resolved.
        feed: the training batches.
        task: what is learnt.
        kept: from an earlier process.
        stack: gives back at its end what is changed here: random numbers, threads, layout, mode.

    Raises:
        CheckpointError: what was kept does not fit.
        UsageError: the model or the batches cannot be trained with.
    """
    recipe, model, validation = request.recipe, request.model, request.validation
    if validation is not None and iter(validation) is validation:
        raise UsageError(
            "the validation batches can be gone through only once",
            given=type(validation).__name__,
            next_step="give a list of batches, a DataLoader or gradatim.data.Batches",
        )
    if validation is None and recipe.training.early_stopping:
        raise ValueRefusedError(
            "early stopping needs validation samples",
            given=recipe.training.early_stopping,
            next_step="give validation batches, or set training.early_stopping=0",
        )
    if kept is not None:
        check_fits(kept.counters, recipe, feed)
    place = Place.of(recipe.machine, model)
    stack.enter_context(given_back(place.device))
    stack.enter_context(machine.at_work(place, recipe.machine.threads))
    stack.enter_context(place.settled(model))
    if not model.training:
        stack.callback(model.eval)
        model.train()
    carry = carries(request.batches, model)
    learner = Learner(model, _criterion(request, feed, place), recipe, place, carry=carry)
    if learner.tuning is not None:
        stack.callback(learner.tuning.release)
    plans = PlanFile(request.folder, read=request.resume)
    plan, pace = _plan(request, learner, feed, plans, kept)
    classes = task != "regression"
    sums = metrics.Sums(metrics.build([TRAIN_METRIC[task]], request.unscale[1]), classes=classes)
    measured = METRICS_OF[task]
    path = request.folder / "record.jsonl" if request.folder is not None else None
    length = kept.counters["record"] if kept is not None else 0
    journal = stack.enter_context(Journal(path, length, sums))
    bar = request.talk.track(f"training {request.name}", plan.total_steps, "step")
    averaged = recipe.training.averaging == "ema"
    run = Run(
        recipe=recipe,
        learner=learner,
        feed=feed,
        validation=validation,
        criterion=loss_without_training_terms(request.own_loss or recipe.training.loss, task),
        train_sums=sums,
        validation_sums=metrics.Sums(metrics.build(measured, request.unscale[1]), classes=classes),
        best=Best(measured[0]),
        average=Average(model, float(recipe.training.averaging_decay or 0)) if averaged else None,
        journal=journal,
        progress=Progress(stack.enter_context(bar), plan.total_steps, measured[0]),
        checkpoint=Checkpoint(request.folder) if request.folder is not None else None,
        plan=plan,
        plans=plans,
        pace=pace,
        state=State(),
        stopped=stack.enter_context(Interruption()),
        talk=request.talk,
    )
    if kept is not None:
        run.restore(kept.counters, kept.tensors)
        journal.epochs = kept.epochs
        request.talk.say(f"going on after step {run.state.step} of {plan.total_steps}")
    else:
        journal.write("run", **run_facts(request, run, task))
    run.tell_plans()
    if pace is not None:
        pace.start()
    return run


def run_facts(request: Request, run: Run, task: Task) -> dict[str, Any]:
    """Return the fields of the Record's ``run`` event."""
    recipe, spec, model = request.recipe, request.spec, request.model
    validation = getattr(request.validation, "samples", None)
    if validation is None and request.validation is not None:
        validation = Feed(request.validation, 0).samples
    facts: dict[str, Any] = {
        "name": request.folder.name if request.folder is not None else request.name,
        "task": task,
        "kind": spec.kind if spec is not None else None,
        "model": request.name,
        "options": dict(getattr(model, "options", recipe.model.options)),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "classes": list(spec.classes) if spec is not None else None,
        "samples": {"train": run.feed.samples, "validation": validation, "test": None},
        "batch_size": getattr(request.batches, "batch_size", recipe.data.batch_size),
        "steps_per_epoch": run.feed.steps,
        "total_steps": run.plan.total_steps,
        "seed": recipe.seed,
        "loss": recipe.training.loss,
        "optimiser": recipe.training.optimiser,
        "learning_rate": recipe.training.learning_rate,
        "schedule": recipe.training.schedule,
        "metric": run.best.metric,
        "baseline_loss": baseline_loss(request, task),
        "machine": machine.describe(recipe.machine),
    }
    return facts | dict(request.facts)


def baseline_loss(request: Request, task: Task) -> float | None:
    """Return the mean loss of answering the same for every sample; None when it is not known.

    Cross-entropy: the entropy of the class shares, ln K where they are not known. Hinge: K - 1,
    each wrong class adding the margin 1. Squared error: the variance of standardised targets, 1.
    """
    loss, spec = request.recipe.training.loss, request.spec
    if loss == "squared-error":
        return 1.0 if spec is not None else None
    classes = spec.outputs if spec is not None else len(request.class_counts or ())
    if task == "regression" or not classes or request.own_loss is not None:
        return None
    if loss == "hinge":
        return classes - 1.0
    counts = [count for count in request.class_counts or [1] * classes if count]
    total = sum(counts)
    return -sum(count / total * math.log(count / total) for count in counts)


def _criterion(request: Request, feed: Feed, place: Place) -> Loss:
    """Return the loss that is descended."""
    if request.own_loss is not None:
        return request.own_loss
    weights = None
    if request.recipe.training.class_weights == "balanced":
        counts = request.class_counts
        weights = losses.balanced_weights(
            torch.as_tensor(counts) if counts is not None else _count(feed, request.spec, place)
        ).to(place.device)
    return losses.build(request.recipe.training, weights)


def _count(feed: Feed, spec: Spec | None, place: Place) -> Tensor:
    """Return the number of samples of each class, in one pass over the batches."""
    counts = torch.zeros(spec.outputs if spec is not None else 0)
    for batch in feed.epoch(0):
        targets = place.bring(batch)[1].cpu()
        new = targets.sum(dim=0) if targets.is_floating_point() else targets.flatten().bincount()
        longest = max(len(counts), len(new))
        counts = torch.stack(
            [nn.functional.pad(part, (0, longest - len(part))) for part in (counts, new.float())]
        ).sum(dim=0)
    return counts


def _plan(
    request: Request, learner: Learner, feed: Feed, plans: PlanFile, kept: Kept | None
) -> tuple[Plan, Pace | None]:
    """Return the plan of the run, and its pace if the plan may still be amended.

    A plan that is there already is frozen: that of the recipe, or that of the run being resumed.
    """
    training = request.recipe.training
    if plans.plans:
        return plans.plans[-1][0], None
    if kept is not None:
        return read_points(kept.counters["plan"]), None
    if training.plan is not None:
        return read_points(training.plan), None
    seconds = request.seconds if request.seconds is not None else training.budget
    most = training.epochs * feed.steps if training.epochs is not None else None
    if seconds is None:
        return plan_for_epochs(training.epochs or 1, feed.steps), None
    trial = learner.copied()
    rate = float(training.learning_rate or 0)

    def step(batch: Any) -> None:
        trial.step(*learner.place.bring(batch), rate)[0].item()

    validation = None if request.validation is None else Feed(request.validation, 0)
    costs = time_parts(step, trial.evaluate, feed, validation, seconds)
    costs = replace(costs, more=request.evaluations_after)
    pace = Pace(seconds, request.began, costs, feed.steps, most)
    plan = plan_for_steps(pace.first_plan())
    plans.keep(plan, f"{1000 * costs.step:.3g} ms a step, timed before the run")
    return plan, pace


def _epochs(record: Path, length: int) -> list[dict[str, Any]]:
    """Return the ``epoch`` events among the first bytes of a Record."""
    if not record.exists():
        return []
    with open(record, "rb") as file:
        lines = file.read(length).splitlines()
    return [json.loads(line) for line in lines if line.startswith(b'{"event": "epoch"')]


def resolved(request: Request, task: Task) -> Request:
    """Return the request with its recipe resolved."""
    own_loss = request.own_loss is not None
    recipe = resolve(request.recipe, request.model, task, own_loss=own_loss)
    return replace(request, recipe=recipe)
