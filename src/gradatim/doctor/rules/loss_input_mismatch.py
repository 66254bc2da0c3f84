"""The loss is given something else than what it is defined for.

Checks: ``nll_loss`` takes log-probabilities, which are never above zero; raw scores or
probabilities are. ``binary_cross_entropy`` takes probabilities; PyTorch refuses others, and the
script ends with that error.

Why: negative log-likelihood of raw scores is not bounded below; it is minimised by pushing scores
to infinity. Of probabilities it has hardly a slope.

Evidence: exact. Alarms when in all batches seen some input lies above zero and rows are not
normalised, or all rows are probabilities.

Wrong when: never seen; densities that are above one belong to other losses.

Cure: ``cross_entropy`` for raw scores; ``log_softmax`` before ``nll_loss``.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.core.record import number as value
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _wrong(item: Event) -> bool:
    given = item.get("input", {})
    if given.get("high") is None or len(given.get("shape", [])) < 2:
        return False
    return value(given["high"]) > 1e-4 and not given.get("rows_are_log", False)


def judge(facts: Facts) -> Answer:
    """Look at what negative log-likelihood is given."""
    message = facts.end.get("message", "")
    if "between 0 and 1" in message and "element" in message and not facts.refused:
        where = Where(file=facts.end.get("file"), line=facts.end.get("line"))
        return [
            found(
                "loss-input-mismatch",
                "binary cross-entropy was given values that are not probabilities",
                number("the script ended with", message[:120]),
                where=where,
                step=facts.steps,
                cures=[("use the loss for raw scores", "F.binary_cross_entropy_with_logits(x, y)")],
            )
        ]
    readings = [
        item
        for item in facts.criteria
        if item["name"] == "nll_loss" and item.get("input", {}).get("finite", 1.0) == 1.0
    ]
    wrong = [item for item in readings if _wrong(item)]
    if len(wrong) < 3 or len(wrong) < 0.9 * len(readings):
        return []
    given = wrong[0]["input"]
    return [
        found(
            "loss-input-mismatch",
            "nll_loss is given values that are not log-probabilities",
            number("largest input of the loss", given["high"], None, 0.0),
            number("loss", wrong[-1].get("value"), 0.0, None, "nats"),
            where=at(wrong[0]),
            step=wrong[0]["step"],
            cures=[
                ("use the loss for raw scores", "F.cross_entropy(logits, y)"),
                ("or give it log-probabilities", "F.nll_loss(F.log_softmax(logits, dim=1), y)"),
            ],
        )
    ]


RULE = Rule("loss-input-mismatch", judge)
