"""Sigmoid is applied before a loss that applies it again.

Checks: the input of ``binary_cross_entropy_with_logits`` is the result of a sigmoid.

Why: the loss takes raw scores. Given values in [0, 1], its probabilities lie in [0.5, 0.731]: the
loss cannot go below 0.313 on positive and 0.693 on negative samples (ln(1 + 1/e) and ln 2).

Evidence: exact, from the chain of operations.

Wrong when: never seen.

Cure: give the raw scores to the loss.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number

_NAME = "binary_cross_entropy_with_logits"


def judge(facts: Facts) -> Answer:
    """Look for a sigmoid just before the loss."""
    readings = [item for item in facts.criteria if item["name"] == _NAME]
    twice = [i for i in readings if i["chain"] and i["chain"][0]["name"] == "Sigmoid"]
    if len(twice) < 3 or len(twice) < len(readings):
        return []
    given = twice[0].get("input", {})
    return [
        found(
            "double-sigmoid",
            "sigmoid is applied twice: once by the model, once inside the loss",
            number("smallest input of the loss", given.get("low"), None, None),
            number("largest input of the loss", given.get("high"), None, None),
            number("lowest loss on negative samples", 0.693, 0.0, 0.0, "nats"),
            where=at(twice[0]),
            step=twice[0]["step"],
            cures=[
                ("remove the sigmoid from the model", "return logits"),
                ("or use the loss for probabilities", "F.binary_cross_entropy(probabilities, y)"),
            ],
        )
    ]


RULE = Rule("double-sigmoid", judge, needs=("backward",), least_steps=3)
