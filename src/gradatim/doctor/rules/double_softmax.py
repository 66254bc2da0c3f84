"""Softmax is applied before a loss that applies it again.

Checks: the input of cross-entropy is itself a softmax: the operation stands in the chain before
it, or every row lies in [0, 1] and sums to one in all batches seen.

Why: cross-entropy takes raw scores. Given probabilities, the best loss it can reach for K classes
is ln(1 + (K-1)/e): 0.313 for 2 and 1.461 for 10 classes; gradients are small and training slow.

Evidence: exact. The floor follows from scores of one 1 and K-1 zeros.

Wrong when: targets are distributions and both sides are meant to be temperatures of softmax, which
is not known to be done. ``log_softmax`` before cross-entropy changes nothing and is not reported.

Cure: give the raw scores to cross-entropy, or log-probabilities to ``nll_loss``.
"""

from __future__ import annotations

import math

from gradatim.doctor.facts import Event, Facts, operations
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _softmax_below(event: Event) -> bool:
    """Say whether a log-softmax in a loss written by hand works directly on a softmax."""
    names = operations(event)
    for index, name in enumerate(names[:-1]):
        if name in ("LogSoftmax", "Logsumexp") and names[index + 1] == "Softmax":
            return True
    return False


def judge(facts: Facts) -> Answer:
    """Look at what cross-entropy is given."""
    twice, other = [], 0
    for event in facts.backwards:
        for loss in event["losses"]:
            if loss["name"] != "cross_entropy":
                continue
            if loss.get("by_hand"):
                doubled = _softmax_below(event)
            else:
                chain = [item["name"] for item in loss["chain"]]
                rows = loss.get("input", {}).get("rows_sum_to_one", False)
                one = loss.get("classes") == 1 or loss.get("input", {}).get("shape", [0, 0])[
                    1:
                ] == [1]
                doubled = (chain[:1] == ["Softmax"] or rows) and not one
                axis = loss["chain"][0].get("axis") if chain[:1] == ["Softmax"] else 1
                doubled = doubled and axis != 0
            if doubled:
                twice.append({**loss, "step": event["step"]})
            else:
                other += 1
    if len(twice) < 3 or other:
        return []
    first = twice[0]
    classes = first.get("classes")
    floor = math.log(1 + (classes - 1) / math.e) if classes else None
    return [
        found(
            "double-softmax",
            "softmax is applied twice: once by the model, once inside cross-entropy",
            number("rows of the loss's input sum to", 1.0),
            number("lowest loss that can be reached", floor, 0.0, 0.0, "nats"),
            where=at(first),
            step=first["step"],
            cures=[
                ("remove the softmax from the model", "return logits"),
                ("or give log-probabilities to NLLLoss", "F.nll_loss(torch.log(probabilities), y)"),
            ],
        )
    ]


RULE = Rule("double-softmax", judge, needs=("backward",), least_steps=3)
