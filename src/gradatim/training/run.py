"""Run: what surrounds the steps of a training — epochs, validation, checkpoints, plan, Record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradatim.core.recipe import Recipe, fingerprint
from gradatim.core.talk import Talk
from gradatim.errors import CheckpointError
from gradatim.training import clock, metrics, schedules
from gradatim.training.averaging import Average
from gradatim.training.best import Best
from gradatim.training.checkpoint import (
    Checkpoint,
    copy_into,
    differences,
    model_tensors,
    optimiser_state,
    restore_optimiser,
)
from gradatim.training.evaluation import measure
from gradatim.training.feed import Feed
from gradatim.training.journal import Journal, Progress
from gradatim.training.learner import Learner
from gradatim.training.losses import Loss
from gradatim.training.pace import Pace, PlanFile
from gradatim.training.plan import Plan

# A checkpoint is written at most so often that writing takes less than this share of the time.
CHECKPOINT_SHARE = 0.02


@dataclass
class State:
    """Where a run is.

    Attributes:
        step: steps done.
        epoch: under way, counted from 0.
        position: batches done in it; all of them until the epoch has been closed.
        seconds: of earlier processes.
        plans: plans written to the Record.
        parts: micro-batches of a step.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    plans: int = 0
    parts: int = 1


@dataclass
class Run:
    """The parts of a run, and what is done with them between the steps."""

    recipe: Recipe
    learner: Learner
    feed: Feed
    validation: Iterable[Any] | None
    criterion: Loss  # plain, for validation
    train_sums: metrics.Sums
    validation_sums: metrics.Sums
    best: Best
    average: Average | None
    journal: Journal
    progress: Progress
    checkpoint: Checkpoint | None
    plan: Plan
    plans: PlanFile
    pace: Pace | None
    state: State
    stopped: Any  # Interruption: has `asked`
    talk: Talk

    def __post_init__(self) -> None:
        self._began = self._checkpointed = self._epoch_began = clock.now()
        self._epoch_samples = 0
        self._cost = 0.0
        self._schedule = schedules.build(self.recipe.training)
        self._largest_rate = float(self.recipe.training.learning_rate or 0.0)

    @property
    def seconds(self) -> float:
        """Seconds since the run began, over all its processes."""
        return self.state.seconds + clock.now() - self._began

    @property
    def epoch(self) -> int:
        """The epoch reached, counted from 1."""
        return self.state.epoch + (self.state.position > 0)

    @property
    def ended(self) -> bool:
        """Whether all steps of the plan are done."""
        return self.state.step >= self.plan.total_steps

    @property
    def _head_only(self) -> bool:
        """Whether the steps are those of the output layer alone: too fast to plan the rest by."""
        return self.learner.tuning is not None and self.learner.tuning.head_only

    def rate(self) -> float:
        """Return the learning rate of the step under way: that of its middle.

        Where the output layer is trained first, this is where all the others join in.
        """
        progress = self.plan.progress(self.state.step - 0.5)
        tuning = self.learner.tuning
        if tuning is not None:
            changed = tuning.enter(progress)
            if changed and self.pace is not None:
                self.pace.start(self.state.step - 1)
            progress = tuning.progress(progress)
        return self._largest_rate * self._schedule(progress)

    def batches(self) -> Iterator[Any]:
        """Return what is left of the epoch under way."""
        if self.ended or self.state.position >= self.feed.steps:
            return iter(())
        if self.learner.carrying is not None and self.state.position == 0:
            self.learner.carrying.forget()
        return self.feed.epoch(self.state.epoch, self.state.position)

    def stepped(self, loss: Tensor, outputs: Tensor, targets: Tensor, rate: float) -> bool:
        """Take in a step; return whether the epoch is to be left."""
        state = self.state
        state.position += 1
        if self.average is not None:
            self.average.update(state.step)
        samples = len(targets)
        self._epoch_samples += samples
        self.progress.trained(samples)
        if self.journal.step(state.step, state.epoch + 1, rate, loss, outputs, targets):
            self.progress.show(self.plan.progress(state.step), self.journal.loss)
            if self.pace is not None and not self._head_only:
                self._amend(self.pace)
        if self.learner.parts != state.parts:
            self._tell_parts(samples)
        if self.stopped.asked or self.journal.diverged is not None or self.ended:
            return True
        if self._due() and state.position < self.feed.steps:
            self.save()
        return False

    def _tell_parts(self, samples: int) -> None:
        """Tell that the steps are in more parts now, and keep it: a resumed run goes on so."""
        parts = self.state.parts = self.learner.parts
        text = (
            f"the memory did not suffice for {samples} samples at once, so each step goes through "
            f"{parts} parts from step {self.state.step} on: the same arithmetic up to rounding, "
            "but batch normalisation counts each part by itself; a smaller data.batch_size "
            "needs no parts"
        )
        self.journal.write("warning", text=text)
        self.talk.warn(text)
        self.save()

    def _amend(self, pace: Pace) -> None:
        """Move the end of the plan if the pace asks for it: kept on the disk before it counts."""
        amended = pace.amend(self.plan, self.state.step)
        if amended is not None:
            self.plans.keep(*amended)
            self.plan = amended[0]
            self.tell_plans()

    def tell_plans(self) -> None:
        """Write the plans that the Record does not have yet."""
        for plan, reason in self.plans.plans[self.state.plans :]:
            self.journal.write("plan", points=plan.line, reason=reason)
        self.state.plans = len(self.plans.plans)

    def close_epoch(self) -> str:
        """Validate and go on to the next epoch; return why the run ends, or nothing."""
        began = clock.now()
        self.journal.fetch()
        if self.journal.diverged is not None:
            return "non-finite"
        rate = self._epoch_samples / max(began - self._epoch_began, 1e-9)
        values = self._validate()
        if values is None:
            return "interrupted"
        state = self.state
        best = bool(values) and self.best.take(state.epoch + 1, values, self.learner.model)
        self._swap_average()
        self.journal.epoch(
            epoch=state.epoch + 1,
            step=state.step,
            seconds=self.seconds,
            train=self.train_sums.values(),
            validation=values,
            samples_per_second=rate,
            best=best,
        )
        self.progress.validated(values)
        self.progress.show(self.plan.progress(state.step), self.journal.loss)
        self.train_sums.clear()
        state.epoch, state.position = state.epoch + 1, 0
        self._epoch_began, self._epoch_samples = clock.now(), 0
        if self.pace is not None:
            self.pace.evaluated(self._epoch_began - began)
        patience = self.recipe.training.early_stopping or 0
        if patience and self.best.waited >= patience:
            return "early-stopping"
        if self.ended:
            return "finished"
        if self._due(early=0.5):
            self.save()
        return ""

    def _validate(self) -> dict[str, float] | None:
        """Return loss and metrics; nothing without validation samples; None when stopped.

        With weight averaging it is the average that is measured; it is left in the model.
        """
        self._swap_average()
        if self.validation is None:
            return {}
        values = measure(
            self.learner.model,
            self.validation,
            self.learner.place,
            self.validation_sums,
            self.criterion,
            lambda: bool(self.stopped.asked),
        )
        if values is None:
            self._swap_average()
        return values

    def _swap_average(self) -> None:
        if self.average is not None:
            self.average.swap()

    def _due(self, early: float = 1.0) -> bool:
        """Return whether it is time for a checkpoint: soon at first, then every so many seconds."""
        if self.checkpoint is None:
            return False
        now = clock.now()
        every = self.recipe.training.checkpoint_seconds
        if every > 0:
            every = max(min(every, max(1.0, now - self._began)), self._cost / CHECKPOINT_SHARE)
        return now - self._checkpointed >= early * every

    def save(self) -> None:
        """Write a checkpoint from which the run can go on."""
        if self.checkpoint is None:
            return
        began = clock.now()
        self.journal.fetch()
        if self.journal.diverged is not None:
            return
        self.journal.write("checkpoint", step=self.state.step)
        plain, tensors = optimiser_state(self.learner.optimiser)
        kept = {
            **_named("model.", model_tensors(self.learner.model)),
            **_named("optimiser.", tensors),
            **_named("average.", self.average.tensors() if self.average else {}),
            **_named("best.", self.best.tensors),
        }
        if self.learner.carrying is not None:
            kept |= _named("carried.", self.learner.carrying.tensors())
        self._write(self.checkpoint, {"optimiser": plain}, kept)
        self._checkpointed = clock.now()
        self._cost = self._checkpointed - began
        if self.pace is not None:
            self.pace.ended(self._cost)

    def _write(
        self, checkpoint: Checkpoint, further: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        state = self.state
        counters = {
            "step": state.step,
            "epoch": state.epoch,
            "position": state.position,
            "seconds": self.seconds,
            "plans": state.plans,
            "parts": state.parts,
            "plan": self.plan.points,
            "sums": self.train_sums.to_dict(),
            "best": {
                "epoch": self.best.epoch,
                "values": self.best.values,
                "waited": self.best.waited,
            },
            "batches": self.feed.steps,
            "recipe": bits(self.recipe),
            "reason": "",
            **further,
            "record": self.journal.flush(durable=True),
        }
        checkpoint.write(counters, tensors)

    def restore(self, counters: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: it does not fit the model, the recipe or the batches.
        """
        check_fits(counters, self.recipe, self.feed)
        copy_into(model_tensors(self.learner.model), tensors, "model.")
        restore_optimiser(self.learner.optimiser, counters["optimiser"], tensors, "optimiser.")
        if self.average is not None:
            copy_into(self.average.tensors(), tensors, "average.")
        if self.learner.carrying is not None:
            like = next(self.learner.model.parameters())
            self.learner.carrying.restore(tensors, "carried.", like)
        if any(name.startswith("best.") for name in tensors):
            self.best.tensors = {
                name: value.clone() for name, value in model_tensors(self.learner.model).items()
            }
            copy_into(self.best.tensors, tensors, "best.")
        self.best.epoch = counters["best"]["epoch"]
        self.best.values = dict(counters["best"]["values"])
        self.best.waited = counters["best"]["waited"]
        self.train_sums.restore(counters["sums"])
        for name in ("step", "epoch", "position", "seconds", "plans"):
            setattr(self.state, name, counters[name])
        self.state.parts = self.learner.parts = counters.get("parts", 1)

    def finish(self, reason: str) -> None:
        """End the run: the best weights in the model, the end in Record and checkpoint."""
        state = self.state
        if reason == "interrupted":
            self.save()
        elif reason == "non-finite":
            state.step = self.journal.diverged or state.step
            self._warn_diverged()
        if self.best.epoch:
            self.best.give(self.learner.model)
        else:
            self._swap_average()
        if reason != "interrupted" and self.checkpoint is not None:
            self.journal.write("checkpoint", step=state.step)
        self.journal.write(
            "end",
            reason=reason,
            epoch=self.epoch,
            step=state.step,
            seconds=self.seconds,
            best_epoch=self.best.epoch,
            best=self.best.values,
        )
        if reason == "interrupted" or self.checkpoint is None:
            self.journal.flush(durable=True)
        else:
            weights = _named("model.", model_tensors(self.learner.model))
            self._write(self.checkpoint, {"reason": reason}, weights)

    def frozen_recipe(self) -> Recipe:
        """Return the recipe with the plan that a budget came to."""
        if not self.plans.plans:
            return self.recipe
        return self.recipe.with_values(
            {"training.plan": self.plan.points}, "what the budget came to on this machine"
        )

    def _warn_diverged(self) -> None:
        text = (
            f"the loss is no longer a finite number at step {self.state.step}; "
            + (
                f"the weights are those of epoch {self.best.epoch}"
                if self.best.epoch
                else "there was no validation before, so the weights are of no use"
            )
            + "; a lower training.learning_rate or training.clip=1 may help"
        )
        self.journal.write("warning", text=text)
        self.talk.warn(text)


def bits(recipe: Recipe) -> dict[str, Any]:
    """Return what the bits of a training depend on in its recipe.

    The data are checked where they are prepared; the plan is kept by itself, and a budget counts
    only through the plan.
    """
    values = fingerprint(recipe)
    training = {k: v for k, v in values["training"].items() if k not in ("plan", "budget")}
    kept = {key: values[key] for key in ("seed", "model", "start", "machine") if key in values}
    return kept | {"training": training}


def check_fits(counters: Mapping[str, Any], recipe: Recipe, feed: Feed) -> None:
    """Refuse a checkpoint that was made with another recipe or other batches.

    Raises:
        CheckpointError: with the first differences.
    """
    found = [*differences(counters["recipe"], bits(recipe))]
    if counters["batches"] != feed.steps:
        found.append(f"batches in an epoch was {counters['batches']}, now {feed.steps}")
    if found:
        raise CheckpointError(
            "the checkpoint was made with other choices: " + "; ".join(found[:3]),
            next_step="resume with the recipe of the run, or train in another folder",
        )


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}
