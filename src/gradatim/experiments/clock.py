"""The budget of one command, counted from the end of the audit."""

from __future__ import annotations

import time

REPORT_SECONDS = 4.0  # writing the report: charts are drawn twice, for light and dark


class Clock:
    """Knows what is left of a budget.

    Args:
        budget: seconds in all; None when the length of training is given in epochs.
        spent: seconds already used by an earlier part of the same run.
    """

    def __init__(self, budget: float | None, spent: float = 0.0) -> None:
        self.budget = budget
        self._began = time.monotonic() - spent

    @property
    def spent(self) -> float:
        """Seconds since the clock began."""
        return time.monotonic() - self._began

    def left(self, reserve: float = 0.0) -> float | None:
        """Return the seconds left after a reserve, at least a small moment; None without budget."""
        if self.budget is None:
            return None
        return max(self.budget - self.spent - reserve, 0.02 * self.budget)
