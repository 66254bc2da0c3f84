"""No weight decay."""

from __future__ import annotations

from gradatim.treatments.during_step import change


def remove() -> None:
    """Make every step without weight decay."""
    change(lambda group: {"weight_decay": 0.0})
