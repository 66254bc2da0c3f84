"""Samples come sorted by class.

Checks: the entropy of the labels within a batch, beside that of all labels seen.

Why: a network that sees one class for many steps forgets the others.

Evidence: exact: batches hold less than half of the entropy they would by chance. An alarm when it
shows: the run or its evaluation does badly, or evaluation accuracy is below 70 % of that in
training.
The loader's ``shuffle`` is not judged: data shuffled beforehand are fine.

Wrong when: batches are built around few classes on purpose (metric learning).

Cure: ``shuffle=True``.
"""

from __future__ import annotations

from statistics import fmean

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts, added, entropy
from gradatim.doctor.outcome import generalises_badly, outcome
from gradatim.doctor.rule import Answer, NotSeen, Rule, at, found, number

RATIO, BATCHES, SAMPLES = 0.5, 8, 8


def judge(facts: Facts) -> Answer:
    """Compare the entropy within batches with that of all labels."""
    if facts.several_players:
        return NotSeen("labels that tell players apart are not drawn")
    by_step: dict[int, list[list[int]]] = {}
    for step, counts in facts.labels:
        by_step.setdefault(step, []).append(counts)
    steps = [added(readings) for readings in by_step.values()]
    batches = [counts for counts in steps if sum(counts) >= SAMPLES]
    if len(batches) < BATCHES:
        return NotSeen(f"fewer than {BATCHES} labelled batches of {SAMPLES} samples")
    totals = added(batches)
    classes = sum(1 for count in totals if count)
    size = fmean(sum(counts) for counts in batches)
    whole = entropy(totals)
    by_chance = whole - (classes - 1) / (2 * size)  # first-order bias of the entropy of a sample
    if by_chance < 0.3:
        return []
    ratio = fmean(entropy(counts) for counts in batches) / by_chance
    if ratio > RATIO:
        return []
    accuracy = facts.training_accuracy
    worse = bool(accuracy and facts.accuracies and facts.accuracies[-1][1] < 0.7 * accuracy)
    shows = bool(outcome(facts).bad) or worse or generalises_badly(facts) is not None
    return [
        found(
            "not-shuffled",
            "samples come sorted by class",
            number("entropy of the labels in a batch / by chance", ratio, RATIO, None),
            number("sampler", facts.loaders[0]["sampler"] if facts.loaders else None),
            level="alarm" if shows else "note",
            where=at(facts.loaders[0]) if facts.loaders else Where(),
            step=1,
            cures=[("shuffle in every epoch", "DataLoader(dataset, shuffle=True)")],
        )
    ]


RULE = Rule("not-shuffled", judge, needs=("backward",), least_steps=8)
