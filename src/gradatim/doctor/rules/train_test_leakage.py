"""Evaluation samples are among the training samples.

Checks: equal samples in training and in evaluation, by a number computed from all their values.

Why: what was seen in training is predicted too well; the figure says nothing about new samples.

Evidence: exact. Alarms when between 5 % and 95 % of an evaluation's samples, and at least twenty,
were trained on. All of them is an evaluation on the training data, which is common and not hidden.

Wrong when: samples repeat by nature (few distinct values); such inputs are not compared when
training samples repeat among themselves too.

Cure: split by group, and drop duplicates before splitting.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, NotSeen, Rule, at, found, number

LOW, HIGH, LEAST = 0.05, 0.95, 20


def judge(facts: Facts) -> Answer:
    """Compare the samples of training and evaluation."""
    batches = facts.record.of("samples")
    epoch: list[int] = []
    for event in batches:
        if event["again"] <= len(event["fingerprints"]) // 2:
            epoch += event["fingerprints"]
    trained = set(epoch)
    if len(trained) < LEAST:
        return NotSeen("training samples were not seen")
    if len(trained) < 0.8 * len(epoch):
        return NotSeen("samples repeat by nature")
    early = {e["step"] for e in facts.evaluations if e["step"] <= 8}
    for event in facts.evaluations:
        if facts.several_players or (
            len(early) > 2 and "loss" not in event and "paired" not in event
        ):
            continue  # passes inside the training steps: a teacher, a target, an agent that acts
        if facts.several_runs:
            continue  # what one fold is trained on the next holds back
        prints = set(event.get("fingerprints", []))
        if len(prints) < LEAST:
            continue
        common = len(prints & trained)
        share = common / len(prints)
        if LOW <= share <= HIGH and common >= LEAST:
            return [
                found(
                    "train-test-leakage",
                    "evaluation samples were trained on",
                    number("share of evaluation samples seen in training", share, 0.0, LOW),
                    number("samples", common, 0, 0),
                    where=at(event),
                    step=event["step"],
                    cures=[("drop duplicates, then split", "np.unique(X, axis=0)")],
                )
            ]
    return []


RULE = Rule("train-test-leakage", judge, needs=("evaluation", "samples"))
