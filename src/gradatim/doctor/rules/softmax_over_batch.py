"""Softmax is taken over the batch instead of over the classes.

Checks: between the last layer and the loss, a softmax (or log-softmax) of an N x K result works on
axis 0, or the columns of the loss's input sum to one and its rows do not.

Why: each sample's output then depends on the other samples of its batch; predictions for one
sample alone are meaningless.

Evidence: exact. N is the number of samples in the loss.

Wrong when: a loss contrasts samples on purpose; such losses put a product of two results before
the softmax, and only softmax directly behind the last layer is looked at.

Cure: ``dim=1`` (or ``dim=-1``).
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _over_batch(event: Event) -> bool:
    for loss in event["losses"]:
        given = loss.get("input", {})
        columns = given.get("columns_sum_to_one") or given.get("columns_are_log")
        rows = given.get("rows_sum_to_one") or given.get("rows_are_log")
        if columns and not rows and given["shape"][0] > 1:
            return True
        for item in loss.get("chain", []):
            shape = item.get("shape")
            if item.get("axis") == 0 and shape and len(shape) == 2 and shape[0] > 1:
                return True
    if event["losses"] and not event["losses"][0].get("by_hand"):
        return False
    samples = [loss.get("samples") for loss in event["losses"]]
    for item in event["tail"]:
        shape = item.get("shape")
        if item.get("axis") == 0 and shape and len(shape) == 2 and shape[0] in samples:
            return True
    return False


def judge(facts: Facts) -> Answer:
    """Look for softmax along axis 0 just before the loss."""
    wrong = [e for e in facts.backwards if _over_batch(e)]
    if len(wrong) < 3 or len(wrong) < 0.9 * len(facts.backwards):
        return []
    return [
        found(
            "softmax-over-batch",
            "softmax is taken over the samples of the batch, not over the classes",
            number("axis of the softmax", 0, 1, 1),
            where=at(wrong[0]),
            step=wrong[0]["step"],
            cures=[("name the axis of the classes", "torch.softmax(logits, dim=1)")],
        )
    ]


RULE = Rule("softmax-over-batch", judge, needs=("backward",), least_steps=3)
