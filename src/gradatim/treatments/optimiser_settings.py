"""Usual settings of the optimiser: momentum 0.9, betas 0.9 and 0.999, epsilon 1e-8."""

from __future__ import annotations

from gradatim.treatments.during_step import change


def usual() -> None:
    """Make every step with PyTorch's defaults, except for the learning rate."""
    change(
        lambda group: {
            "eps": 1e-8,
            "betas": (0.9, 0.999),
            "momentum": min(group.get("momentum", 0.0), 0.9),
        }
    )
