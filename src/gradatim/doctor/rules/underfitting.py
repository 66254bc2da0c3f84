"""The training loss stays high and no longer falls.

Checks: the training loss over the last half of the run, beside the baseline.

Why: more steps will not help; the network, its regularisation or its rate is what holds it back.

Evidence: a note: the loss is between half and 90 % of the baseline and fell by less than 2 % in the
last quarter. Other rules name the reason where a trial shows it.

Wrong when: the task is hard, and nothing better can be done.

Cure: less regularisation, a wider network, another rate: try one at a time.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number


def judge(facts: Facts) -> Answer:
    """Look whether the loss is flat and high."""
    badly = outcome(facts)
    windows = facts.windows
    if badly.share is None or not 0.5 < badly.share <= 0.9 or len(windows) < 16:
        return []
    before, last = sum(windows[-8:-4]) / 4, sum(windows[-4:]) / 4
    if before - last > 0.02 * before:
        return []
    return [
        found(
            "underfitting",
            "the training loss stays high and no longer falls",
            number("training loss / baseline", badly.share, 0.0, 0.5),
            number("fall in the last quarter", before - last, 0.02 * before, None),
            level="note",
            cures=[("a wider network, or less regularisation", "")],
        )
    ]


RULE = Rule("underfitting", judge, needs=("losses", "backward"), least_steps=100, at_end=True)
