"""Which steps are looked at closely.

The first steps are, because that is where structure shows; then every ``interval``-th step, the
interval a power of two. It doubles whenever the time spent on looking exceeds a first allowance
plus a share of the time that has passed, so that a long run pays the share and no more.
"""

from __future__ import annotations

FIRST_STEPS = 8
"""Steps looked at without a gap: enough to see a rule kept or broken several times running."""

SHARE = 0.015
"""Share of the running time to spend: below the promised 2 %, which also pays what is always on."""

ALLOWANCE = 0.4
"""Seconds that may be spent on looking before the share counts, so that short runs are seen."""


class Pace:
    """Decides from the number of a step, and from the cost so far, what is looked at."""

    def __init__(self) -> None:
        self.interval = 8
        self.loss_interval = 1

    def closely(self, step: int) -> bool:
        """Say whether the step of this number (from 1) is looked at closely."""
        return step <= FIRST_STEPS or step % self.interval == 0

    def account(self, spent: float, passed: float) -> None:
        """Widen the interval when ``spent`` of ``passed`` seconds is more than agreed."""
        if spent > ALLOWANCE + SHARE * passed:
            self.interval *= 2
            self.loss_interval = max(1, self.interval // 64)
