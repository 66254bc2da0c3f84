"""The label can be read off a single input feature.

Checks: for each feature of the training inputs, how much it still varies within a class, beside how
much it varies in all.

Why: a feature that is computed from the label (a file name, a later measurement, a marked pixel)
makes training easy and worthless.

Evidence: only ``gradatim audit`` can know, from the data. From a script: a feature
that varies between classes and hardly at all within them (less than 1e-4 of its variance), always
the same one, in at least four batches. A note; an alarm when new samples are
predicted far worse than training samples, which is what such a feature does.

Wrong when: the feature is known at prediction time too.

Cure: drop the feature. No setting cures data.
"""

from __future__ import annotations

from collections import Counter

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import generalises_badly
from gradatim.doctor.rule import Answer, NotSeen, Rule, at, found, number

WITHIN = 1e-4


def judge(facts: Facts) -> Answer:
    """Look for a feature that is decided by the label."""
    seen = [e["revealing"] for e in facts.backwards if e.get("revealing")]
    if len(seen) < 4:
        return NotSeen("inputs and labels were not seen together")
    told = [item for item in seen if item["within"] < WITHIN]
    feature, count = Counter(item["feature"] for item in told).most_common(1)[0] if told else (0, 0)
    if count < 4 or count < 0.9 * len(seen):
        return []
    accuracy = facts.training_accuracy or 0.0
    fails = bool(facts.accuracies) and facts.accuracies[-1][1] < 0.7 * accuracy
    shows = fails or generalises_badly(facts) is not None
    return [
        found(
            "target-leakage",
            f"feature {feature} of the input tells the label exactly",
            number("share of its variance within a class", told[0]["within"], WITHIN, None),
            level="alarm" if shows else "note",
            where=at(facts.forwards[0]),
            step=1,
            cures=[("drop the feature", "X = np.delete(X, feature, axis=1)")],
        )
    ]


RULE = Rule("target-leakage", judge, needs=("backward", "forward"), least_steps=4)
