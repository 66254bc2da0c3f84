"""The run stopped while the loss was still falling fast.

Checks: the training loss over the last fifth of the run, beside the fifth before, and its level.

Why: more steps would have cost nothing but time.

Evidence: statistical: the run does badly (the loss is above 90 % of the baseline) and yet falls
steadily: each of the last four fifths is lower than the one before it.

Wrong when: a short run is meant as a test.

Cure: more epochs.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number


def fifths(facts: Facts) -> list[float]:
    """Return the mean loss of five equal parts of the run."""
    values = [value for _, value in facts.curve]
    size = len(values) // 5
    return [fmean(values[i * size : (i + 1) * size]) for i in range(5)] if size else []


def judge(facts: Facts) -> Answer:
    """Look whether the loss still falls at the end."""
    badly = outcome(facts)
    if badly.bad is None or badly.share is None or badly.share < 0.9:
        return []
    parts = fifths(facts)
    if len(parts) < 5 or any(b >= a for a, b in pairwise(parts[1:])):
        return []
    fall = parts[0] - parts[-1]
    if fall < 0.02 * (facts.baseline or parts[0]):
        return []
    return [
        found(
            "under-trained",
            "the loss was still falling when the run stopped",
            number("loss in the last fifth", parts[-1], 0.0, None),
            number("loss in the first fifth", parts[0]),
            number("steps", facts.steps),
            *badly.evidence,
            cures=[("train longer", "epochs *= 5")],
        )
    ]


RULE = Rule("under-trained", judge, needs=("losses",), least_steps=10, at_end=True)
