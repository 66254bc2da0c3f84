"""Another learning rate: every step at a tenth, or ten times, of what the schedule says."""

from __future__ import annotations

from gradatim.treatments.during_step import change


def tenth() -> None:
    """Make every step with a tenth of the learning rate."""
    change(lambda group: {"lr": group["lr"] * 0.1})


def tenfold() -> None:
    """Make every step with ten times the learning rate."""
    change(lambda group: {"lr": group["lr"] * 10.0})
