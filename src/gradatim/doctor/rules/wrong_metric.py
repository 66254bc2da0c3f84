"""The metric cannot change: it does not fit the output.

Checks: in Gradatim's own runs, the validation metric of each epoch beside the validation loss.

Why: an ``argmax`` over one unit is always 0; accuracy of a regression is always 0.

Evidence: only runs made by ``fit`` record their metric; from a script nothing can be said. A note:
the metric is the same in at least four epochs while the loss falls by more than a fifth.

Wrong when: the metric is at its best value already.

Cure: the metric that fits: threshold one unit, R squared for regression.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, NotSeen, Rule, found, number


def judge(facts: Facts) -> Answer:
    """Compare metric and loss over the epochs."""
    epochs = [e["validation"] for e in facts.record.of("epoch") if e.get("validation")]
    if len(epochs) < 4:
        return NotSeen("fewer than four epochs with a validation metric")
    for name in epochs[0]:
        values = [e.get(name) for e in epochs]
        if name == "loss" or None in values or len(set(values)) > 1 or values[0] in (1.0, None):
            continue
        fall = 1 - epochs[-1]["loss"] / epochs[0]["loss"] if epochs[0].get("loss") else 0.0
        if fall > 0.2:
            return [
                found(
                    "wrong-metric",
                    f"{name} never changes while the loss falls",
                    number(name, values[0]),
                    number("fall of the loss", fall, 0.0, 0.2),
                    level="note",
                    cures=[("use a metric that fits the output", "(output > 0) == target")],
                )
            ]
    return []


RULE = Rule("wrong-metric", judge, needs=("epoch",), least_steps=0)
