"""Softmax is taken over the batch instead of over the classes.

Checks: between the last layer and the loss, a softmax (or log-softmax) of an N x K result works on
axis 0, or the columns of the loss's input sum to one and its rows do not. And inside the network:
softmaxes of three axes or more over the first, when it has the batch's length.

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

CURES = {
    False: "torch.softmax(logits, dim=1)",
    True: "scores.softmax(dim=-1)",
}


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


def _inside(event: Event) -> bool:
    """Say whether attention mixes the samples: its weights sum to one over the batch."""
    samples = {loss.get("samples") for loss in event["losses"]}
    shapes = event.get("over_first_axis") or []
    return any(shape[0] in samples and shape[0] > 1 and shape[-1] > 1 for shape in shapes)


def judge(facts: Facts) -> Answer:
    """Look for softmax along axis 0 just before the loss."""
    wrong = [e for e in facts.backwards if _over_batch(e)]
    inside = len(wrong) < 3 or len(wrong) < 0.9 * len(facts.backwards)
    if inside:
        wrong = [e for e in facts.backwards if _inside(e)]
    if len(wrong) < 3 or len(wrong) < 0.9 * len(facts.backwards):
        return []
    return [
        found(
            "softmax-over-batch",
            "softmax is taken over the samples of the batch, not over the "
            + ("places attended to" if inside else "classes"),
            number("axis of the softmax", 0, 1, 1),
            where=at(wrong[0]),
            step=wrong[0]["step"],
            cures=[("name the axis", CURES[inside])],
        )
    ]


RULE = Rule("softmax-over-batch", judge, needs=("backward",), least_steps=3)
