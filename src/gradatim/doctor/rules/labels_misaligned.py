"""Labels belong to other samples: inputs and labels were shuffled or cut differently.

Checks: the run learns its training samples and predicts new ones no better than by chance, in every
evaluation; or it learns nothing, and with ``--probe`` the same script learns a single batch by
heart, and falls just as far with labels shuffled inside each batch.

Why: pairs that do not belong together can only be memorised.

Evidence: an alarm when training has gone below 60 % of the baseline (or 12 points of accuracy above
the evaluations) and no evaluation of at least 100 samples ever beat the commonest class by three
standard errors. Or confirmed by two treatments: the last loss is above 60 % of
the baseline and not lower than with shuffled labels by a tenth of it, weights and gradients are
alive, and one batch can be learned to below 60 % of the baseline.

Wrong when: the inputs truly say nothing about the labels, which is worth knowing too.

Cure: index inputs and labels with the same permutation. No setting cures data.
"""

from __future__ import annotations

import math

from gradatim.core.finding import Evidence, Finding
from gradatim.doctor.facts import Facts, added
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, found, number
from gradatim.doctor.rules.dying_relu import SHARE, dead_share
from gradatim.doctor.rules.learning_rate_too_low import SMALL
from gradatim.doctor.rules.vanishing_gradient import by_depth, through_time
from gradatim.doctor.trial import better

LEAST, GAP, LEARNED = 100, 0.12, 0.6
_CURES = (("use one permutation for both", "X, y = X[order], y[order]"),)


def _alive(facts: Facts) -> bool:
    """Say whether weights move by sensible amounts, and signal and gradient reach all layers."""
    updates, weights = facts.by_parameter("update"), facts.by_parameter("weight")
    ratios = sorted(updates[n] / weights[n] for n in updates if weights[n] > 0)
    dead = dead_share(facts)
    return (
        bool(ratios)
        and 10 * SMALL < ratios[len(ratios) // 2] < 0.1
        and (dead is None or dead[0] <= SHARE)
        and by_depth(facts) is None
        and through_time(facts) is None
    )


def never_beyond_chance(facts: Facts) -> Evidence | None:
    """Return the best evaluation when none ever beat an answer that ignores the input."""
    counts = added(counts for _, counts in facts.labels)
    if facts.accuracies and sum(counts):
        size = min(facts.evaluated_samples, default=0)
        prior = max(counts) / sum(counts)
        best = max(accuracy for _, accuracy in facts.accuracies)
        limit = prior + 3 * math.sqrt(prior * (1 - prior) / max(1, size))
        if size < LEAST or prior > 0.7 or best > limit:
            return None
        return Evidence("best accuracy in evaluation", best, (limit, 1.0))
    return None


def _by_heart(facts: Facts, share: float) -> Finding | None:
    """Look for a run that learns what it sees, and nothing that holds for other samples."""
    classes = any(c.get("labels") or c.get("target", {}).get("one_hot") for c in facts.criteria)
    if not classes:
        return None  # what evaluations compare was not trained on
    accuracy = facts.training_accuracy
    ahead = bool(
        accuracy and facts.accuracies and accuracy - max(a for _, a in facts.accuracies) > GAP
    )
    if share > 0.6 and not ahead:
        return None
    chance = never_beyond_chance(facts)
    if chance is None:
        return None
    return found(
        "labels-misaligned",
        "training samples are learned, and new ones predicted no better than by chance",
        chance,
        number("training loss / baseline", share, None, None),
        number("accuracy in training", accuracy),
        cures=_CURES,
    )


def _as_shuffled(facts: Facts) -> Answer:
    """Compare with labels that are shuffled for certain, once one batch was learned."""
    one = better(facts, "one-batch")
    if one is None:
        return Want(("one-batch",), "the run learns nothing, though its weights move")
    if one.late > LEARNED * one.base:
        return []
    gain = better(facts, "labels-shuffled")
    if gain is None:
        return Want(("labels-shuffled",), "one batch can be learned, the data set cannot")
    if gain.late - gain.before >= 0.1 * gain.base or gain.before >= 1.2 * gain.base:
        return []
    return [
        found(
            "labels-misaligned",
            "the loss falls as far with shuffled labels: they say nothing of the inputs",
            number("last loss", gain.before, 0.0, gain.late - 0.1 * gain.base),
            number("last loss with shuffled labels", gain.late),
            number("last loss on one batch", one.late),
            cures=_CURES,
        )
    ]


def judge(facts: Facts) -> Answer:
    """Look for labels that say nothing of the inputs."""
    badly = outcome(facts)
    if badly.share is None:
        return []
    heart = _by_heart(facts, badly.share)
    if heart is not None:
        return [heart]
    if badly.bad and badly.share > 0.6 and not badly.risen and _alive(facts):
        return _as_shuffled(facts)
    return []


RULE = Rule("labels-misaligned", judge, needs=("backward", "update"), least_steps=50, at_end=True)
