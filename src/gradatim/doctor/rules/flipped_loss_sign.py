"""The loss that is minimised is the negative of what should be.

Checks: the criterion's own value beside the value handed to ``backward``: a cross-entropy or
squared error that is positive, handed on as a negative number; and whether it grows.

Why: minimising the negative makes predictions as wrong as possible.

Evidence: exact that the sign is turned; an alarm when the criterion's value then rises above its
beginning or the baseline. Turning the sign is meant in adversarial training, where several
optimisers step and nothing is said.

Wrong when: a term of the loss is maximised on purpose together with larger ones.

Cure: remove the minus.
"""

from __future__ import annotations

import math

from gradatim.core.record import number as value
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number

_POSITIVE = {"cross_entropy", "mse_loss", "l1_loss", "binary_cross_entropy", "smooth_l1_loss"}
_POSITIVE |= {"binary_cross_entropy_with_logits", "huber_loss"}


def judge(facts: Facts) -> Answer:
    """Look for positive criteria that are minimised as negatives."""
    if facts.several_players:
        return []
    turned, seen = [], 0
    for event in facts.backwards:
        for loss in event["losses"][:1]:
            if loss["name"] not in _POSITIVE or event["value"] is None:
                continue
            own = value(loss["value"]) if loss.get("value") is not None else 0.0
            if not math.isfinite(value(event["value"])):
                continue
            seen += 1
            if value(event["value"]) < 0 and (own > 0 or loss.get("by_hand")):
                turned.append((event, loss, own if own > 0 else -value(event["value"])))
    if len(turned) < 3 or len(turned) < 0.9 * seen:
        return []
    first, last = turned[0][2], turned[-1][2]
    event, loss, _ = turned[0]
    rises = last > 1.05 * first
    return [
        found(
            "flipped-loss-sign",
            f"the negative of {loss['name']} is minimised",
            number("criterion at the first step", first),
            number("criterion at the last step seen", last, 0.0, first),
            number("value handed to backward", event["value"], 0.0, None),
            level="alarm" if rises else "note",
            where=at(event),
            step=event["step"],
            cures=[("remove the minus", "loss = criterion(output, target)")],
        )
    ]


RULE = Rule("flipped-loss-sign", judge, needs=("backward",), least_steps=3)
