"""The loss goes up and down instead of falling.

Checks: the training loss averaged over twenty parts of the run: the correlation of its changes with
the changes before (lag 1), and how far it has fallen.

Why: steps that overshoot come back on the other side; momentum close to one does so slowly.

Evidence: statistical, so it alarms only when the run does badly: the changes' lag-1 correlation is
below -0.3, the range of the second half is more than a fifth of the baseline, and the loss has not
fallen from the first half to the second.

Wrong when: several players (GANs), where nothing is said; small noisy batches, which average out.

Cure: a lower learning rate, a larger batch, less momentum.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number


def lag_one(values: list[float]) -> float:
    """Return the correlation of neighbours in a series."""
    mean = fmean(values)
    centred = [value - mean for value in values]
    power = sum(value * value for value in centred)
    if power == 0:
        return 0.0
    return sum(a * b for a, b in pairwise(centred)) / power


def judge(facts: Facts) -> Answer:
    """Look at the changes of the averaged loss."""
    windows = facts.windows
    base = facts.baseline or facts.first_loss
    if len(windows) < 12 or not base or not outcome(facts).bad:
        return []
    changes = [b - a for a, b in pairwise(windows)]
    half = len(windows) // 2
    swing = max(windows[half:]) - min(windows[half:])
    fallen = fmean(windows[:half]) - fmean(windows[half:])
    correlation = lag_one(changes)
    if correlation > -0.3 or swing < 0.2 * base or fallen > 0.1 * base:
        return []
    return [
        found(
            "oscillating-loss",
            "the loss swings up and down and does not fall",
            number("lag-1 correlation of its changes", correlation, -0.3, 1.0),
            number("swing in the second half", swing, 0.0, 0.2 * base),
            cures=[("a lower learning rate", "lr=lr / 3"), ("less momentum", "momentum=0.9")],
        )
    ]


RULE = Rule("oscillating-loss", judge, needs=("losses",), least_steps=60, at_end=True)
