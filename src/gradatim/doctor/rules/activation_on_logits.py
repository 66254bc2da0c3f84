"""An activation stands on the raw scores that cross-entropy takes.

Checks: the operation just before cross-entropy (or before sigmoid cross-entropy) is a ReLU, tanh
or sigmoid.

Why: scores must be free to take any value. Behind a ReLU a class whose score is below zero gets no
gradient, and may never be predicted; behind tanh or sigmoid the odds are bounded.

Evidence: exact. An alarm when it shows: a class whose score is zero for every sample in all late
batches, or a loss that ends above three tenths of the baseline; otherwise a note.

Wrong when: bounded scores are meant (then a temperature multiplies them, which hides it).

Cure: remove the last activation.
"""

from __future__ import annotations

from itertools import pairwise

from gradatim.doctor.facts import Event, Facts, operations
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, at, found, number

_KINDS = {"Relu", "Tanh", "Sigmoid", "LeakyRelu", "Elu", "Gelu", "Silu", "Softplus"}
_LOSSES = {"cross_entropy", "binary_cross_entropy_with_logits"}
FIT = 0.3
"""Share of the baseline above which a run that has ended fits poorly."""


def _operation(event: Event, loss: Event) -> str | None:
    """Return the activation whose result the loss takes as raw scores."""
    if loss["name"] not in _LOSSES:
        return None
    if not loss.get("by_hand"):
        chain = [item["name"] for item in loss["chain"]]
        if chain[:1] == ["Sigmoid"] and loss["name"] != "cross_entropy":
            return None  # double-sigmoid
        return str(chain[0]) if chain and chain[0] in _KINDS else None
    return _behind_softmax(event)


def _behind_softmax(event: Event) -> str | None:
    names = operations(event)
    for name, below in pairwise(names):
        if name in ("LogSoftmax", "Softmax", "Logsumexp") and below in _KINDS:
            return str(below)
    return None


def judge(facts: Facts) -> Answer:
    """Look for an activation before the loss."""
    readings = [
        (loss, operation or (_behind_softmax(event) if loss["name"] == "nll_loss" else None))
        for event in facts.backwards
        for loss in event["losses"]
        if (operation := _operation(event, loss)) or loss["name"] == "nll_loss"
    ]
    readings = [(loss, operation) for loss, operation in readings if operation]
    if len(readings) < 3 or len(readings) < 0.9 * len(facts.criteria):
        return []
    loss, operation = readings[0]
    badly = outcome(facts)
    poor = facts.finished and (badly.share or 0.0) > FIT
    late = [item.get("input", {}).get("dead", []) for item, _ in readings[-4:]]
    dead = set(late[0]).intersection(*late[1:]) if operation == "Relu" else set()
    return [
        found(
            "activation-on-logits",
            f"the scores pass through {operation} before the loss",
            number("operation before the loss", str(operation).lower()),
            number("classes whose score is zero for every sample", len(dead), 0, 0),
            level="alarm" if dead or badly.bad or poor else "note",
            where=at(loss),
            step=1,
            cures=[("remove the last activation", "return self.last(x)")],
        )
    ]


RULE = Rule("activation-on-logits", judge, needs=("backward",), least_steps=8)
