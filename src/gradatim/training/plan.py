"""Plan: how far a run has progressed after how many steps, and where it ends.

A plan is a broken line from progress 0 to progress 1, given by its points ``(step, progress)``.
Points after a progress of 1 are an *amendment*: a new line that takes over at its first step::

    ((0, 0.0), (1000, 1.0))                          1,000 steps
    ((0, 0.0), (1000, 1.0), (250, 0.25), (900, 1.0)) at step 250 the end was moved to step 900

The old line is kept, because the steps before the amendment followed it: so a run that is
resumed or repeated with the final plan takes exactly the same rates, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gradatim.errors import ValueRefusedError

Point = tuple[int, float]


@dataclass(frozen=True)
class Plan:
    """Progress as a function of the step.

    Args:
        points: as described above; steps rise along a line, progress does not fall.

    Raises:
        ValueRefusedError: the points are not such lines.
    """

    points: tuple[Point, ...]
    _lines: tuple[tuple[Point, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lines: list[list[Point]] = [[]]
        for step, progress in self.points:
            if lines[-1] and lines[-1][-1][1] >= 1:
                lines.append([])
            lines[-1].append((int(step), float(progress)))
        for line in lines:
            pairs = list(pairwise(line))
            rises = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairs)
            if not pairs or not rises or line[0][1] < 0 or line[-1][1] != 1:
                self._refuse()
        starts = [line[0][0] for line in lines]
        if lines[0][0] != (0, 0.0) or starts != sorted(starts):
            self._refuse()
        object.__setattr__(self, "_lines", tuple(tuple(line) for line in lines))

    def _refuse(self) -> None:
        raise ValueRefusedError(
            "these points are not a plan",
            given=[list(point) for point in self.points],
            allowed="lines of [step, progress] from [0, 0] to progress 1",
            next_step="leave training.plan out; the run makes its own",
        )

    @property
    def total_steps(self) -> int:
        """Number of steps after which the run ends."""
        return self._lines[-1][-1][0]

    @property
    def line(self) -> list[Point]:
        """The line that is really followed, amendments included: what a chart draws."""
        followed: list[Point] = []
        for line in self._lines:
            if followed and line[0][0] < followed[-1][0]:
                followed = [point for point in followed if point[0] < line[0][0]]
            followed += [point for point in line if not followed or point[0] > followed[-1][0]]
        return followed

    def progress(self, step: float) -> float:
        """Return the progress, 0 to 1, after so many steps (parts of a step count)."""
        line = next((line for line in reversed(self._lines) if line[0][0] <= step), self._lines[0])
        for (x0, y0), (x1, y1) in pairwise(line):
            if step <= x1:
                return y0 + (y1 - y0) * ((step - x0) / (x1 - x0))
        return 1.0

    def amend(self, step: int, new_end: int) -> Plan:
        """Return the plan that from ``step`` on goes straight to progress 1 at ``new_end``.

        Raises:
            ValueError: the new end is not after the step.
        """
        if new_end <= step:
            raise ValueError(f"a plan cannot end at step {new_end}, {step} steps are done")
        return Plan((*self.points, (step, self.progress(step)), (new_end, 1.0)))


def plan_for_steps(steps: int) -> Plan:
    """Return the plan of a run of so many steps."""
    return Plan(((0, 0.0), (max(1, steps), 1.0)))


def plan_for_epochs(epochs: int, steps_per_epoch: int) -> Plan:
    """Return the plan of a run of so many passes."""
    return plan_for_steps(epochs * steps_per_epoch)


@dataclass(frozen=True)
class Costs:
    """What the parts of a run cost, in seconds.

    Attributes:
        step: one optimiser step, with its data.
        evaluation: one pass over the validation samples.
        end: what is left to do after the last evaluation.
        more: evaluations, of as many samples each, that follow when the run has ended.
    """

    step: float
    evaluation: float = 0.0
    end: float = 0.0
    more: float = 0.0

    @property
    def after(self) -> float:
        """Seconds of what follows when the last evaluation is done."""
        return self.end + self.more * self.evaluation

    def of(self, done: int, end: int, steps_per_epoch: int) -> float:
        """Return the seconds from ``done`` steps to the end of a run of ``end`` steps.

        There is an evaluation after every epoch and one after the last step.
        """
        evaluations = -(-end // steps_per_epoch) - done // steps_per_epoch
        return (end - done) * self.step + evaluations * self.evaluation + self.after


def plan_for_budget(
    seconds: float, costs: Costs, steps_per_epoch: int, *, done: int = 0, most: int | None = None
) -> int:
    """Return the last step of the longest run that fits into the seconds that are left.

    Args:
        seconds: what is left of the budget, the margin already taken off.
        costs: what the parts cost.
        steps_per_epoch: batches in a pass.
        done: steps already done.
        most: the run never gets more steps than this.

    Returns:
        The step at which the run ends: at least one after ``done``, even when nothing fits.
    """
    return _largest(
        lambda end: costs.of(done, end, steps_per_epoch) <= seconds,
        low=done + 1,
        high=most if most is not None else done + 1 + int(max(0.0, seconds) / costs.step),
    )


def _largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """Return the largest number from ``low`` to ``high`` that fits, at least ``low``."""
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def read_points(points: Sequence[Sequence[float]]) -> Plan:
    """Return the plan whose points come from JSON or TOML."""
    return Plan(tuple((int(step), float(progress)) for step, progress in points))
