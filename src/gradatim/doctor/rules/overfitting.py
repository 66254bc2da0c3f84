"""The network learns its training samples by heart.

Checks: the evaluation loss over time, beside the training loss.

Why: from some step on the network fits what is particular to the training samples; new ones are
predicted worse and worse.

Evidence: statistical: the last three evaluations all lie above the lowest by 20 % and more, the
last by 50 % and more than a tenth of the baseline, while the training loss is below half of the
evaluation loss. Or training samples are known by heart (98 % right, a tenth of the evaluation loss,
or of the baseline where evaluations call no loss) and new ones predicted worse by 30 points.
Smaller gaps that do not grow are not reported, nor a loss that rises below the baseline while
accuracy stays within two standard errors of its best.

Wrong when: accuracy still rises while a few samples are confidently wrong.

Cure: stop at the lowest evaluation loss; more data; augmentation; weight decay; dropout.
"""

from __future__ import annotations

import math

from gradatim.core.finding import Finding
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, NotSeen, Rule, found, number

GAP = 0.3
_CURES = (
    ("stop where the evaluation loss is lowest", "early stopping"),
    ("weight decay or dropout", "weight_decay=1e-2"),
    ("more data, or augmentation", ""),
)


def _by_heart(facts: Facts) -> Finding | None:
    """Look for training samples known by heart beside new ones that are not."""
    training, late, base = facts.training_accuracy, facts.late_loss, facts.baseline
    if training is None or late is None or not base or len(facts.accuracies) < 3:
        return None
    step, accuracy = facts.accuracies[-1]
    loss = facts.evaluated[-1][1] if facts.evaluated else base  # often only accuracy is asked for
    if training < 0.98 or training - accuracy < GAP or late > 0.1 * loss or loss < 0.4 * base:
        return None
    seen = [number("evaluation loss", loss)] if facts.evaluated else []
    return found(
        "overfitting",
        "training samples are known by heart, and new ones are predicted far worse",
        number("accuracy in training - in evaluation", training - accuracy, 0.0, GAP),
        number("training loss", late),
        *seen,
        step=step,
        cures=_CURES,
    )


def _less_accurate(facts: Facts) -> bool:
    """Say whether the last accuracy lies below the best by more than chance: two standard errors.

    By a hundredth at least; where the number of samples is not known, by that.
    """
    best, last = max(value for _, value in facts.accuracies), facts.accuracies[-1][1]
    samples = facts.evaluated_samples[-1] if facts.evaluated_samples else None
    chance = 2 * math.sqrt(max(0.0, last * (1 - last)) / samples) if samples else 0.0
    return last <= best - max(0.01, chance)


def judge(facts: Facts) -> Answer:
    """Look for an evaluation loss that rises while training goes on."""
    losses = facts.evaluated
    if facts.baseline is None and any(value <= 0 for _, value in losses):
        return NotSeen("a loss that may be negative has no ratios")
    if finding := _by_heart(facts):
        return [finding]
    if len(losses) < 5:
        return NotSeen("fewer than five evaluations called the loss trained on")
    base = facts.baseline or losses[0][1]
    step, lowest = min(losses, key=lambda item: item[1])
    last = losses[-1][1]
    if lowest <= 0:
        return []
    rises = all(value > 1.2 * lowest for _, value in losses[-3:]) and last > 1.5 * lowest
    late = facts.late_loss
    if not rises or last - lowest < 0.1 * base or late is None or late > 0.5 * last:
        return []
    if facts.accuracies and last < base and not _less_accurate(facts):
        return []
    return [
        found(
            "overfitting",
            f"evaluation is getting worse since step {step} while training goes on",
            number("last evaluation loss / lowest", last / lowest, 1.0, 1.5),
            number("training loss", late),
            step=step,
            cures=_CURES,
        )
    ]


RULE = Rule("overfitting", judge, needs=("evaluation", "losses"), least_steps=20, at_end=True)
