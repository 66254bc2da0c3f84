"""The budget of one command, counted from its start."""

from __future__ import annotations

import time


def left_of(seconds: float, began: float) -> float:
    """Return what is left of some seconds since a reading of the clock: a tenth at least."""
    return max(seconds - (time.monotonic() - began), 0.1 * seconds)


class Clock:
    """Knows what is left of a budget.

    Args:
        budget: seconds in all; None when the length of training is given in epochs.
        began: reading of ``time.monotonic`` when the command began; now when None.
        spent: seconds already used by an earlier part of the same run.
    """

    def __init__(
        self, budget: float | None, began: float | None = None, spent: float = 0.0
    ) -> None:
        self.budget = budget
        self._began = (time.monotonic() if began is None else began) - spent

    @property
    def spent(self) -> float:
        """Seconds since the clock began."""
        return time.monotonic() - self._began

    def left(self, reserve: float = 0.0) -> float | None:
        """Return the seconds left after a reserve, at least a small moment; None without budget."""
        if self.budget is None:
            return None
        return max(self.budget - self.spent - reserve, 0.02 * self.budget)
