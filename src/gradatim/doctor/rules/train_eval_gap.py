"""The network computes something else in evaluation than in training.

Checks: BatchNorm's running statistics beside those of the batches, late in training; and the
evaluation loss beside the training loss.

Why: evaluation uses the running statistics. If they lag, or never move (momentum 0), the network
evaluated is not the one trained.

Evidence: the running mean is off by more than one spread, or the running variance by more than a
factor of five, in the median over the layers after at least 50 steps. An alarm when the momentum
is 0 or the statistics are off, and the evaluation loss is twice the training loss and above half
of the baseline, or the accuracy 20 points below that in training; otherwise a note.

Wrong when: the learning rate is so high that statistics change faster than they are averaged.

Cure: momentum 0.1; pass the training data once more before evaluating.
"""

from __future__ import annotations

import math
from statistics import median

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, Rule, found, number

SHIFT, RATIO = 1.0, 5.0


def judge(facts: Facts) -> Answer:
    """Compare running statistics with those of the batches."""
    late = [item for e in facts.backwards if e["step"] >= 50 for item in e.get("batch_norms", [])]
    if len(late) < 3:
        return []
    shift = median(item["shift"] for item in late)
    ratio = math.exp(median(item["log_ratio"] for item in late))
    still = [
        m
        for e in facts.forwards[-1:]
        for m in e.get("modal", [])
        if m["kind"] == "batchnorm" and m["training"] and m["momentum"] == 0 and m["tracked"]
    ]
    base, training = facts.baseline, facts.late_loss
    gap = bool(
        facts.evaluated
        and base
        and training is not None
        and facts.evaluated[-1][1] > 2 * training
        and facts.evaluated[-1][1] > 0.5 * base
    )
    accuracy = facts.training_accuracy
    if accuracy and facts.accuracies and facts.accuracies[-1][1] < accuracy - 0.2:
        gap = gap or bool(still) or shift >= SHIFT or ratio >= RATIO
    if shift < SHIFT and ratio < RATIO and not (still and gap):
        return []
    evidence = [
        number("running mean - batch mean, in spreads", shift, 0.0, SHIFT),
        number("running variance / batch variance, as a factor", ratio, 1.0, RATIO),
    ]
    if still:
        evidence.append(number("momentum", 0.0, 0.01, 1.0))
    if facts.evaluated:
        evidence.append(number("evaluation loss", facts.evaluated[-1][1], 0.0, None))
    return [
        found(
            "train-eval-gap",
            "BatchNorm's running statistics are not those of the data",
            *evidence,
            level="alarm" if gap else "note",
            where=Where(still[0]["name"] if still else late[0]["layer"]),
            cures=[("let the statistics move", "nn.BatchNorm2d(channels, momentum=0.1)")],
        )
    ]


RULE = Rule("train-eval-gap", judge, needs=("backward", "forward"), least_steps=50)
