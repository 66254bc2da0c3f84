"""The loss does not fit the task.

Checks: squared or absolute error on the result of a softmax, with targets of zeros and ones: a
classification.

Why: squared error on probabilities is flat where the network is wrong and sure; cross-entropy is
steepest there.

Evidence: exact that it is so, but it can work: a note. An alarm when the run does badly, or the
treatment with cross-entropy reaches a tenth more accuracy.

Wrong when: a Brier score is meant.

Cure: cross-entropy on raw scores.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _classification(item: Event) -> bool:
    if item["name"] not in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        return False
    given, target = item.get("input", {}), item.get("target", {})
    if item.get("by_hand"):
        return False
    return bool(
        given.get("rows_sum_to_one")
        and target.get("low") == 0.0
        and target.get("high") == 1.0
        and [step["name"] for step in item["chain"]][:1] == ["Softmax"]
    )


def judge(facts: Facts) -> Answer:
    """Look for squared errors of probabilities."""
    readings = [item for item in facts.criteria if _classification(item)]
    if len(readings) < 3 or len(readings) < 0.9 * len(facts.criteria):
        return []
    badly = outcome(facts)
    return [
        found(
            "wrong-loss",
            f"{readings[0]['name']} is used for classification",
            number("rows of the loss's input sum to", 1.0),
            number("targets", "0 and 1"),
            *badly.evidence,
            level="alarm" if badly.bad else "note",
            where=at(readings[0]),
            step=1,
            cures=[("cross-entropy on raw scores", "F.cross_entropy(logits, labels)")],
        )
    ]


RULE = Rule("wrong-loss", judge, needs=("backward",), least_steps=8)
