"""Which steps are looked at closely, and of which the loss is read.

The first steps are looked at, because that is where structure shows; then every ``interval``-th,
the interval a power of two. It doubles when the time spent on looking exceeds a first allowance
plus a share of the time that has passed, and when the steps have become many: a long run pays ever
less, and its Record grows with the logarithm of its length. Losses are read in short rows of steps,
so that optimisers that take turns are all met.
"""

from __future__ import annotations

FIRST_STEPS = 8
"""Steps looked at without a gap: enough to see a rule kept or broken several times running."""

SHARE = 0.005
"""Share of the running time to spend: below the promised 2 %, which also pays what is always on."""

EVALUATING = 0.02
"""Share up to which evaluations are looked at that come often enough to cost more than ``SHARE``:
there are few of them in most scripts, and each of them tells something."""

ALLOWANCE = 0.6
"""Seconds that may be spent on looking before the share counts, so that short runs are seen."""

MOST_LOOKS = 512
"""The interval is at least this fraction of the steps made: each doubling of a run's length adds
half as many looks."""

ROW = 4
"""Steps running whose loss is read, where not every loss is."""


class Pace:
    """Decides from the number of a step, and from the cost so far, what is looked at."""

    def __init__(self, allowance: float = ALLOWANCE) -> None:
        self.allowance = allowance
        self.interval = FIRST_STEPS
        self.loss_interval = 1

    def candidate(self, step: int, turns: int = 1) -> bool:
        """Say whether the step of this number (from 1) might be looked at; costs nothing.

        Args:
            step: the step about to begin.
            turns: optimisers that may be taking turns; the steps looked at are moved by one each
                time, so that it is not always the same one's.
        """
        return step <= FIRST_STEPS or (
            step % self.interval == (step // self.interval) % min(turns, ROW)
        )

    def closely(self, step: int, spent: float, passed: float) -> bool:
        """Say whether to look closely at a candidate; asked once.

        Args:
            step: the step about to begin.
            spent: seconds spent on looking so far.
            passed: seconds the script has worked since watching began.
        """
        if step <= FIRST_STEPS:
            return True
        if spent <= self.allowance + SHARE * passed and step <= MOST_LOOKS * self.interval:
            return True
        self.interval *= 2
        self.loss_interval = max(1, self.interval // 32)
        return False

    def rest(self, step: int) -> int:
        """Return for how many steps, the one of this number the first, not even a loss is read.

        Candidates fall into the rows that are read, so none is left out.
        """
        period = ROW * self.loss_interval
        place = step % period
        return 0 if place < ROW else period - place

    def affordable(self, spent: float, passed: float) -> bool:
        """Say whether there is time left for what can be done without."""
        return spent <= 0.5 * self.allowance + SHARE * passed

    def bearable(self, spent: float, passed: float) -> bool:
        """Say whether an evaluation may be looked at although the time for it is used up."""
        return spent <= self.allowance + EVALUATING * passed
