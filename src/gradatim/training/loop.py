"""The one loop.

``train`` has a run put together (``assembly``) and goes through its steps: all of training on one
page. Everything random is a function of (seed, step) or (seed, epoch), and all that a step changes
is in the checkpoint, so a resumed run ends at the same bits as one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec
from gradatim.core.talk import SILENCE, Talk
from gradatim.training import assembly, clock
from gradatim.training.assembly import Kept, Request
from gradatim.training.checkpoint import copy_into, model_tensors
from gradatim.training.feed import Feed
from gradatim.training.randomness import FORWARD, given_back, mix, seeder
from gradatim.training.run import Run, check_fits
from gradatim.training.watching import Watch


def descend(run: Run, watch: Watch | None = None) -> str:
    """Train until the plan, or something before it, ends the run; return why."""
    learner, place, state = run.learner, run.learner.place, run.state
    seed = seeder(place.device)
    while True:
        for batch in run.batches():
            state.step += 1
            seed(mix(run.recipe.seed, FORWARD, state.step))
            inputs, targets = place.bring(batch)
            rate = run.rate()
            loss, outputs = learner.step(inputs, targets, rate)
            if watch is not None:
                watch.step(state.step, loss, outputs, targets)
            if run.stepped(loss, outputs, targets, rate):
                break
        if run.stopped.asked:
            return "interrupted"
        reason = run.close_epoch()
        if reason:
            return reason


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        reason: ``finished``, ``early-stopping``, ``interrupted`` or ``non-finite``.
        epoch, step: reached, counted from 1.
        seconds: taken, over all processes of the run.
        best_epoch: of the best validation; 0 where nothing was validated.
        best: its loss and metrics.
        model: with the best weights where there was a validation, else with the last.
        recipe: with every choice made, and with the plan that a budget came to.
        epochs: the Record's ``epoch`` events, oldest first.
    """

    reason: str
    epoch: int
    step: int
    seconds: float
    best_epoch: int
    best: dict[str, float]
    model: nn.Module = field(repr=False)
    recipe: Recipe = field(repr=False)
    epochs: list[dict[str, Any]] = field(default_factory=list, repr=False)


def train(
    model: nn.Module,
    batches: Any,
    *,
    validation: Iterable[Any] | None = None,
    recipe: Recipe | None = None,
    spec: Spec | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    talk: Talk = SILENCE,
    watch: Watch | None = None,
    observe: Callable[[Callable[..., None], int], AbstractContextManager[None]] | None = None,
    seconds: float | None = None,
    evaluations_after: float = 0.0,
    unscale: tuple[float, float] = (0.0, 1.0),
    class_counts: Sequence[int] | None = None,
    facts: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Trained:
    """Train a module on batches.

    Args:
        model: any module that takes the inputs of a batch and answers ``B x K`` raw scores
            (regression: ``B`` or ``B x 1`` values). It is trained in place.
        batches: yields ``(inputs, targets)``; a list, a torch ``DataLoader``, or an object with
            ``epoch(number, start)`` such as ``gradatim.data.Batches``.
        validation: batches, measured after every epoch; the best weights are kept.
        recipe: choices; what it leaves open is filled in.
        spec: what enters and leaves the model; without it the task follows from the targets.
        folder: run folder for Record and checkpoints; nothing is written when None.
        resume: go on from the folder's checkpoint; without one, start over. A run that has ended
            is left alone: its weights are put into the model.
        talk: where progress goes.
        watch: an observer of the steps.
        observe: makes a context in which the steps are made, from the function that writes an
            event into the Record and the number of steps made before.
        seconds: how long this call may take, instead of the recipe's ``training.budget``.
        evaluations_after: of the budget so much is left for what the caller measures afterwards, as
            multiples of one pass over the validation samples.
        unscale: mean and standard deviation of the targets in their own unit, where the batches
            hold standardised targets (regression).
        class_counts: training samples of each class, for balanced class weights; counted in one
            pass over the batches when they are needed and not given.
        facts: further fields of the Record's ``run`` event.
        **settings: keys of ``TrainingRecipe`` (``epochs=5``, ``optimiser="adam"``), ``seed``,
            ``device``, ``precision``, ``layout``, ``threads`` and ``update``. ``loss`` may also
            be a function of (outputs, targets) that returns their mean loss.

    Returns:
        What came of it; the model holds the best weights. PyTorch's random numbers, the number of
        threads and the modes of the modules are those from before.

    Raises:
        UnknownNameError: a setting, loss, optimiser or schedule that does not exist.
        ValueRefusedError: a value out of range, or outputs that do not fit the targets.
        UsageError: the model or the batches cannot be trained with, or the folder holds a run.
        CheckpointError: the checkpoint is damaged or does not fit.
        DiskError: the disk is full; the last checkpoint is still there.
    """
    began = clock.now()
    recipe, own_loss = assembly.read_settings(recipe or Recipe(), settings)
    request = Request(
        began=began,
        model=model,
        batches=batches,
        validation=validation,
        recipe=recipe,
        own_loss=own_loss,
        spec=spec,
        folder=Path(folder) if folder is not None else None,
        resume=resume,
        talk=talk,
        seconds=seconds,
        evaluations_after=evaluations_after,
        unscale=unscale,
        class_counts=class_counts,
        facts=facts or {},
    )
    kept = assembly.read_kept(request)
    if kept is not None:
        request = replace(request, recipe=assembly.with_kept_machine(recipe, kept))
    with ExitStack() as stack:
        stack.enter_context(given_back(torch.device("cpu")))
        feed = Feed(batches, recipe.seed)
        task = assembly.find_task(request, feed)
        request = assembly.resolved(request, task)
        if kept is not None and kept.counters["reason"]:
            return _ended(request, feed, kept)
        run = assembly.assemble(request, feed, task, kept, stack)
        if watch is not None:
            stack.callback(watch.end)
            watch.begin(model, run.learner.optimiser)
        with observe(run.journal.write, run.state.step) if observe else nullcontext():
            reason = descend(run, watch)
        run.finish(reason)
        return Trained(
            reason=reason,
            epoch=run.epoch,
            step=run.state.step,
            seconds=run.seconds,
            best_epoch=run.best.epoch,
            best=run.best.values,
            model=model,
            recipe=run.frozen_recipe(),
            epochs=run.journal.epochs,
        )


def _ended(request: Request, feed: Feed, kept: Kept) -> Trained:
    """Return what came of a run that has ended already, with its weights in the model."""
    check_fits(kept.counters, request.recipe, feed)
    copy_into(model_tensors(request.model), kept.tensors, "model.")
    counters = kept.counters
    return Trained(
        reason=counters["reason"],
        epoch=counters["epoch"],
        step=counters["step"],
        seconds=counters["seconds"],
        best_epoch=counters["best"]["epoch"],
        best=dict(counters["best"]["values"]),
        model=request.model,
        recipe=request.recipe,
        epochs=kept.epochs,
    )
