"""Regression targets are far from the scale a network begins with.

Checks: mean and spread of the targets of squared-error losses.

Why: a network begins with outputs near zero and one. Targets of hundreds give gradients of
hundreds: the loss diverges, or takes ages to reach their mean.

Evidence: a spread above 30, or a mean above ten spreads and above 10. An alarm when the run does
badly or is not finite; otherwise a note.

Wrong when: Adam is given enough time; then the run does not do badly.

Cure: standardise the targets, and undo it in prediction.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.record import number as value
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, at, found, number

SPREAD = 30.0


def judge(facts: Facts) -> Answer:
    """Look at the scale of the targets."""
    readings = [
        c
        for c in facts.criteria
        if c["name"] in ("mse_loss", "smooth_l1_loss", "l1_loss", "huber_loss")
        and c.get("target", {}).get("std") is not None
    ]
    if len(readings) < 2:
        return []
    spread = median(value(c["target"]["std"]) for c in readings)
    mean = median(abs(value(c["target"]["mean"])) for c in readings)
    if spread <= SPREAD and not (mean > 10 * spread and mean > 10):
        return []
    badly = outcome(facts)
    return [
        found(
            "targets-unscaled",
            "the targets are far larger than what a network begins with",
            number("spread of the targets", spread, 0.01, SPREAD),
            number("mean of the targets", mean),
            *badly.evidence,
            level="alarm" if badly.bad else "note",
            where=at(readings[0]),
            step=1,
            cures=[("standardise the targets", "y = (y - y_mean) / y_std")],
        )
    ]


RULE = Rule("targets-unscaled", judge, needs=("backward",), least_steps=2)
