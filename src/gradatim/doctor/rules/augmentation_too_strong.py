"""Training samples are distorted so much that they no longer show what is to be learned.

Checks: training inputs never come round again although all samples were passed more than once
(they are augmented); the training loss beside the evaluation loss.

Why: augmentation must leave the label readable. Beyond that it is noise.

Evidence: an alarm when the run does badly and the distortion shows: inputs are spread a quarter
wider in training than in evaluation, or what is evaluated undistorted is predicted better than by
chance. A note when it does not show (labels that say nothing look the same), and when the training
loss is twice the evaluation loss and more than half of the baseline.

Wrong when: augmentation is strong and the schedule long: both losses are then low in the end.

Cure: smaller rotations, less noise; look at a few augmented samples.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, NotSeen, Rule, at, found, number
from gradatim.doctor.rules.labels_misaligned import never_beyond_chance


def never_again(facts: Facts) -> bool:
    """Say whether training samples are never seen twice over more than one pass of the data."""
    seen = facts.record.of("samples")
    sizes = [e["samples"] for e in facts.loaders if e["samples"]]
    if not seen or not sizes:
        return False
    shown = sum(len(e["fingerprints"]) for e in seen)
    again = sum(e["again"] for e in seen)
    return bool(shown > 1.5 * max(sizes) and again < 0.02 * shown)


def altered(facts: Facts) -> bool:
    """Say whether training inputs never repeat, and are spread wider than those of evaluations.

    That is what noise does; a stream of ever new samples has the same spread in both.
    """
    seen = facts.record.of("samples")
    return len(seen) >= 8 and not any(e["again"] for e in seen) and wider(facts)


def wider(facts: Facts) -> bool:
    """Say whether training inputs are spread a quarter wider than those of evaluations."""
    training = [i["std"] for i in facts.inputs() if i.get("std") and i["kind"][:5] == "float"]
    evaluated = [
        item["std"]
        for e in facts.evaluations
        for item in e.get("inputs", [])[:1]
        if item.get("std") and item["kind"][:5] == "float"
    ]
    return bool(training and evaluated) and median(training) > 1.25 * median(evaluated)


def judge(facts: Facts) -> Answer:
    """Compare losses where inputs are augmented."""
    if not facts.loaders and not altered(facts):
        return NotSeen("no data loader tells when all samples have been passed")
    if not never_again(facts) and not altered(facts):
        return []
    badly = outcome(facts)
    late, base = facts.late_loss, facts.baseline
    milder = bool(
        facts.evaluated
        and late
        and base
        and late > 0.5 * base
        and late > 2 * facts.evaluated[-1][1]
    )
    if not badly.bad and not milder:
        return []
    shows = wider(facts) or (bool(facts.accuracies) and never_beyond_chance(facts) is None)
    return [
        found(
            "augmentation-too-strong",
            "no training sample is ever seen twice, and the network cannot fit them",
            number("training samples seen twice", 0, 1, None),
            *badly.evidence,
            level="alarm" if badly.bad and shows else "note",
            where=at(facts.loaders[0]) if facts.loaders else Where(),
            cures=[("weaken the augmentation", "degrees=10, noise=0.05")],
        )
    ]


RULE = Rule("augmentation-too-strong", judge, needs=("forward",), least_steps=30, at_end=True)
