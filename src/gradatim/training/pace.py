"""Pace: how a run keeps within its budget of seconds.

The step is timed before the run, on a copy of the model; that gives the first plan. The speed of a
machine drifts, so the pace is compared with the plan at a few moments of the run, and the end of
the plan is moved so that the schedule still ends, with its learning rate at its end, in time.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from gradatim.core.files import write_json
from gradatim.errors import CheckpointError
from gradatim.training import clock
from gradatim.training.feed import Feed
from gradatim.training.plan import Costs, Plan, plan_for_budget, read_points

# Share of the budget at which the run aims. What is left covers a drift of the speed by 30 % after
# the last moment (0.6 % of the run) and stalls of the disk.
AIM = 0.97
# Shares of the run at which the pace is looked at.
MOMENTS = (0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
# The end is moved only if it changes by more than this share of all steps.
TOLERANCE = 0.003
# Of the timing before the run: steps that only warm up, most steps; shares of the budget after
# which enough has been timed, and after which timing ends even with the first step.
WARM, STEPS, SHARE, MOST_SHARE = 2, 20, 0.02, 0.06
EVALUATED = 5  # batches


def time_parts(
    step: Callable[[Any], object],
    evaluate: Callable[[Any], object],
    feed: Feed,
    validation: Feed | None,
    seconds: float,
) -> Costs:
    """Return what a step and an evaluation cost, by doing a few.

    Args:
        step: takes one step with a batch, on a copy of model and optimiser.
        evaluate: computes the outputs of a batch, with the copy.
        feed: the training batches.
        validation: the validation batches, or None.
        seconds: the budget.
    """
    epochs = chain.from_iterable(feed.epoch(number) for number in range(WARM + STEPS))
    steps = _times(step, epochs, WARM + STEPS, seconds)
    costs = Costs(step=statistics.median(steps[WARM:] or steps))
    if validation is None:
        return costs
    times = _times(evaluate, validation.epoch(0), EVALUATED, seconds)
    return replace(costs, evaluation=validation.steps * statistics.median(times[1:] or times))


def _times(
    do: Callable[[Any], object], batches: Iterator[Any], most: int, seconds: float
) -> list[float]:
    times = []
    began = last = clock.now()
    for batch in islice(batches, most):
        do(batch)
        times.append(clock.now() - last)
        last = clock.now()
        enough = SHARE if len(times) > WARM else MOST_SHARE
        if last - began > enough * seconds:
            break
    close = getattr(batches, "close", None)
    if close is not None:
        close()
    return times


class Pace:
    """Keeps a run within its budget by moving the end of its plan.

    Args:
        seconds: the budget.
        began: reading of the clock when the budget began.
        costs: what was timed before the run.
        steps_per_epoch: batches in a pass.
        most: the run never gets more steps than this.
    """

    def __init__(
        self, seconds: float, began: float, costs: Costs, steps_per_epoch: int, most: int | None
    ) -> None:
        self._seconds = seconds
        self._began = began
        self._aim = began + AIM * seconds
        self._costs = costs
        self._steps_per_epoch = steps_per_epoch
        self._most = most
        self._moments = list(MOMENTS)
        self._evaluating = 0.0
        self._last = (0, clock.now())

    def first_plan(self) -> int:
        """Return the number of steps that should fit."""
        return plan_for_budget(
            self._aim - clock.now(), self._costs, self._steps_per_epoch, most=self._most
        )

    def start(self, step: int = 0) -> None:
        """Say that the steps after ``step`` begin now, the first or those of another kind."""
        self._last, self._evaluating = (step, clock.now()), 0.0

    def evaluated(self, seconds: float) -> None:
        """Take in how long an evaluation took, so that it does not count as steps."""
        self._evaluating += seconds
        self._costs = replace(self._costs, evaluation=seconds)

    def ended(self, seconds: float) -> None:
        """Take in how long a checkpoint took: there is one more at the end."""
        self._costs = replace(self._costs, end=seconds)

    def amend(self, plan: Plan, step: int) -> tuple[Plan, str] | None:
        """Return an amended plan and the reason, at moments when one is needed; else None.

        Args:
            plan: as it is.
            step: steps done.
        """
        now, end = clock.now(), plan.total_steps
        if step >= end:
            return None
        late = now + self._costs.step + self._costs.evaluation + self._costs.after > self._aim
        share = max(plan.progress(step), (now - self._began) / self._seconds)
        if late:
            if end == step + 1:
                return None
            return plan.amend(step, step + 1), "the budget is used up"
        if not self._moments or share < self._moments[0]:
            return None
        self._moments = [moment for moment in self._moments if moment > share]
        since_step, since = self._last
        if step > since_step:
            spent = max(now - since - self._evaluating, 1e-9)
            self._costs = replace(self._costs, step=spent / (step - since_step))
        self._last, self._evaluating = (step, now), 0.0
        new_end = plan_for_budget(
            self._aim - now, self._costs, self._steps_per_epoch, done=step, most=self._most
        )
        if abs(new_end - end) <= TOLERANCE * end:
            return None
        pace = f"{1000 * self._costs.step:.3g} ms a step at {100 * share:.0f} %"
        return plan.amend(step, new_end), pace


class PlanFile:
    """``plan.json``: every plan of a budgeted run, written before it takes effect.

    So a run that is killed between two checkpoints is resumed with the plan it had.

    Args:
        folder: the run folder; None: nothing is kept.
        read: go on from the file that is there; otherwise it is removed.

    Attributes:
        plans: plan and reason, oldest first; the last one counts.

    Raises:
        CheckpointError: the file is damaged.
    """

    def __init__(self, folder: Path | None, *, read: bool) -> None:
        self._path = folder / "plan.json" if folder is not None else None
        self.plans: list[tuple[Plan, str]] = []
        if self._path is None or not self._path.exists():
            return
        if not read:
            self._path.unlink()
            return
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            self.plans = [(read_points(entry["points"]), entry["reason"]) for entry in content]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"the plan of this run cannot be read ({error})",
                given=self._path,
                next_step="fit again: a run without its plan cannot be repeated",
            ) from error

    def keep(self, plan: Plan, reason: str) -> None:
        """Add a plan, on the disk first."""
        self.plans.append((plan, reason))
        if self._path is not None:
            write_json(
                self._path,
                [{"points": kept.points, "reason": why} for kept, why in self.plans],
            )
