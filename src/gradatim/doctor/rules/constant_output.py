"""The output cannot vary: softmax over a single unit, or cross-entropy over a single class.

Checks: between the last layer and the loss stands a softmax whose axis has length one, or
cross-entropy is given one column.

Why: softmax over one value is always 1. The loss is constant and its gradient zero.

Evidence: exact, from the shapes in the chain of operations.

Wrong when: never seen.

Cure: one unit with sigmoid and binary cross-entropy, or one unit per class.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _single(event: Event) -> bool:
    for item in event["tail"]:
        shape, axis = item.get("shape"), item.get("axis")
        if axis is not None and shape and 0 <= axis < len(shape) and shape[axis] == 1:
            return True
    return False


def judge(facts: Facts) -> Answer:
    """Look for a softmax over one value."""
    constant = [e for e in facts.backwards if _single(e)]
    if len(constant) < 3 or len(constant) < 0.9 * len(facts.backwards):
        return []
    return [
        found(
            "constant-output",
            "softmax over a single unit always gives 1: the output cannot vary",
            number("units under the softmax", 1, 2, None),
            where=at(constant[0]),
            step=constant[0]["step"],
            cures=[
                ("use a sigmoid for one unit", "F.binary_cross_entropy_with_logits(logit, y)"),
                ("or one unit per class", "nn.Linear(features, classes)"),
            ],
        )
    ]


RULE = Rule("constant-output", judge, needs=("backward",), least_steps=3)
