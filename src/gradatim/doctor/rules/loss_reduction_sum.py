"""The loss is the sum over the batch, not its mean.

Checks: the reduction of the criterion.

Why: a sum over 64 samples has 64 times the gradient: the learning rate is 64 times what is usual.

Evidence: exact, but sometimes intended: a note. An alarm when the run does badly.

Wrong when: the rate was chosen for the sum (variational autoencoders often use sums with Adam).

Cure: ``reduction="mean"``, or divide the rate by the batch size.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import unfit
from gradatim.doctor.rule import Answer, Rule, at, found, number

_KNOWN = {"cross_entropy", "nll_loss", "mse_loss", "l1_loss", "binary_cross_entropy"}
_KNOWN |= {"binary_cross_entropy_with_logits", "smooth_l1_loss", "huber_loss"}


def _summed(event: Event) -> Event | None:
    for loss in event["losses"]:
        if loss["name"] not in _KNOWN or loss.get("samples", 1) < 2:
            continue
        reduction = loss.get("reduction")
        by_hand = loss.get("by_hand") or reduction == "none"
        plain = event["divided"] < 2
        if (reduction == "sum" and plain) or (
            by_hand and event["summed"] and not event["averaged"] and plain
        ):
            found_: Event = loss
            return found_
    return None


def judge(facts: Facts) -> Answer:
    """Look for losses that are summed."""
    summed = [(e, loss) for e in facts.backwards if (loss := _summed(e))]
    if len(summed) < 3 or len(summed) < 0.9 * len(facts.backwards):
        return []
    event, loss = summed[0]
    return [
        found(
            "loss-reduction-sum",
            "the loss is summed over the batch",
            number("samples that are summed", loss.get("samples"), 1, 1),
            level="alarm" if unfit(facts) else "note",
            where=at(loss),
            step=event["step"],
            cures=[("average over the batch", 'reduction="mean"')],
        )
    ]


RULE = Rule("loss-reduction-sum", judge, needs=("backward",), least_steps=3)
