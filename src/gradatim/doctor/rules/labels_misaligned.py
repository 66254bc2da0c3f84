"""Labels belong to other samples: inputs and labels were shuffled or cut differently.

Checks: the run learns nothing, or only by heart; with ``--probe``, the same script with labels
shuffled inside each batch: if the training loss falls just as far, the labels say nothing about the
inputs.

Why: pairs that do not belong together can only be memorised.

Evidence: confirmed by a treatment. An alarm when the last training loss of the run is above 60 % of
the baseline, is not lower than with shuffled labels by a tenth of the baseline, and weights and
gradients are otherwise alive; or, without it, when evaluation is no better than the baseline while
training has gone below 60 % of it is a note.

Wrong when: the inputs truly say nothing about the labels, which is worth knowing too.

Cure: index inputs and labels with the same permutation. No setting cures data.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import generalises_badly, outcome
from gradatim.doctor.rule import Answer, Rule, Want, found, number
from gradatim.doctor.rules.learning_rate_too_low import SMALL
from gradatim.doctor.trial import better

_CURES = (("use one permutation for both", "X, y = X[order], y[order]"),)


def _alive(facts: Facts) -> bool:
    """Say whether weights move by sensible amounts."""
    updates, weights = facts.by_parameter("update"), facts.by_parameter("weight")
    ratios = sorted(updates[n] / weights[n] for n in updates if weights[n] > 0)
    return bool(ratios) and 10 * SMALL < ratios[len(ratios) // 2] < 0.1


def judge(facts: Facts) -> Answer:
    """Compare with the trial of shuffled labels."""
    badly = outcome(facts)
    if badly.share is None or not facts.labels or not _alive(facts):
        return []
    gain = better(facts, "labels-shuffled")
    if gain is not None and badly.share > 0.6 and not badly.risen:
        if gain.late - gain.before < 0.1 * gain.base and gain.before < 1.2 * gain.base:
            return [
                found(
                    "labels-misaligned",
                    "the loss falls as far with shuffled labels: they say nothing of the inputs",
                    number("last loss", gain.before, 0.0, gain.late - 0.1 * gain.base, "nats"),
                    number("last loss with shuffled labels", gain.late, None, None, "nats"),
                    cures=_CURES,
                )
            ]
        return []
    if badly.bad and gain is None and not badly.risen:
        return Want(("labels-shuffled",), "the run learns nothing, though its weights move")
    worse = generalises_badly(facts)
    if worse is not None and badly.share < 0.6:
        return [
            found(
                "labels-misaligned",
                "training samples are learned, new ones are not predicted at all",
                worse,
                *badly.evidence,
                level="note",
                cures=_CURES,
            )
        ]
    return []


RULE = Rule("labels-misaligned", judge, needs=("backward", "update"), least_steps=50, at_end=True)
