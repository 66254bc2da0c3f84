"""Many training labels are wrong.

Checks: accuracy on training batches beside accuracy in evaluations, without dropout or augmentation
that would explain a difference.

Why: a network learns what the majority says first; wrong labels then look like errors in training
while clean evaluation labels are predicted well.

Evidence: only ``gradatim audit`` can know, from the data. From a script this is a note: evaluation
accuracy is more than 15 points above training accuracy, and no dropout explains it: with one of at
most a third, 30 points.

Wrong when: training samples are augmented or harder than the others.

Cure: `gradatim audit` lists suspicious labels; correct them. No setting cures data.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, NotSeen, Rule, found, number
from gradatim.doctor.rules.augmentation_too_strong import never_again

LEAST, LIGHT = 0.15, 1 / 3


def judge(facts: Facts) -> Answer:
    """Compare the two accuracies."""
    training = facts.training_accuracy
    if training is None or not facts.accuracies:
        return NotSeen("training and evaluation accuracy are not both known")
    evaluated = facts.accuracies[-1][1]
    dropout = max((m.get("p", 0.0) for m in facts.modules.values() if m["dropout"]), default=0.0)
    least = LEAST if dropout == 0 else 2 * LEAST
    if dropout > LIGHT or never_again(facts) or evaluated - training < least:
        return []
    return [
        found(
            "label-noise",
            "training samples are predicted far worse than new ones: their labels may be wrong",
            number("accuracy in training", training, evaluated, 1.0),
            number("accuracy in evaluation", evaluated),
            level="note",
            cures=[("look at the labels most likely wrong", "gradatim audit SOURCE")],
        )
    ]


RULE = Rule("label-noise", judge, needs=("backward",), least_steps=50, at_end=True)
