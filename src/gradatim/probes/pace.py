"""Which steps are looked at closely.

The first steps are, because that is where structure shows; then every ``interval``-th step, the
interval a power of two. When the time spent on looking exceeds a first allowance plus a share of
the time that has passed, the step is left out and the interval doubles: a long run pays the share
and no more.
"""

from __future__ import annotations

FIRST_STEPS = 8
"""Steps looked at without a gap: enough to see a rule kept or broken several times running."""

SHARE = 0.01
"""Share of the running time to spend: below the promised 2 %, which also pays what is always on."""

ALLOWANCE = 0.6
"""Seconds that may be spent on looking before the share counts, so that short runs are seen."""


class Pace:
    """Decides from the number of a step, and from the cost so far, what is looked at."""

    def __init__(self) -> None:
        self.interval = FIRST_STEPS
        self.loss_interval = 1

    def candidate(self, step: int) -> bool:
        """Say whether the step of this number (from 1) might be looked at; costs nothing."""
        return step <= FIRST_STEPS or step % self.interval == 0

    def closely(self, step: int, spent: float, passed: float) -> bool:
        """Say whether to look closely at a candidate; asked once.

        Args:
            step: the step about to begin.
            spent: seconds spent on looking so far.
            passed: seconds the script has worked since watching began.
        """
        if step <= FIRST_STEPS:
            return True
        if spent <= ALLOWANCE + SHARE * passed:
            return True
        self.interval *= 2
        self.loss_interval = max(1, self.interval // 32)
        return False

    def affordable(self, spent: float, passed: float) -> bool:
        """Say whether there is time left for what can be done without."""
        return spent <= 0.5 * ALLOWANCE + SHARE * passed
