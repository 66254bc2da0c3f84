"""Evaluation inputs are prepared differently from training inputs.

Checks: mean and spread of the inputs in training and in evaluation.

Why: a network trained on values between 0 and 1 is lost on values between 0 and 255.

Evidence: the spread in evaluation is outside a third to three times that in training, or the mean
is off by more than two spreads. An alarm when the factor is five, the evaluation does badly, or its
loss is twice that in training; otherwise a note.

Wrong when: a shift between domains is studied.

Cure: one function that prepares both.
"""

from __future__ import annotations

from statistics import median

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import generalises_badly, outcome
from gradatim.doctor.rule import Answer, NotSeen, Rule, at, found, number

FACTOR = 3.0
LEARNED = 0.7


def judge(facts: Facts) -> Answer:
    """Compare the inputs of both."""
    for model in facts.models:
        training = [
            e["inputs"][0]
            for e in facts.forwards
            if e["model"] == model and e.get("inputs") and "std" in e["inputs"][0]
        ]
        evaluations = [
            e
            for e in facts.evaluations
            if e["model"] == model and e.get("inputs") and "std" in e["inputs"][0]
        ]
        if not training or not evaluations or not training[0]["kind"].startswith("float"):
            continue
        std, mean = median(i["std"] for i in training), median(i["mean"] for i in training)
        event = evaluations[-1]
        other = event["inputs"][0]
        if other["shape"][1:] != training[0]["shape"][1:] or std == 0 or other["std"] == 0:
            continue
        factor = other["std"] / std
        shift = abs(other["mean"] - mean) / std
        if 1 / FACTOR <= factor <= FACTOR and shift <= 2:
            return []
        late = facts.late_loss
        doubled = bool(facts.evaluated and late and facts.evaluated[-1][1] > 2 * late)
        share = outcome(facts).share
        learns = share is None or share < LEARNED
        sure = not 0.2 <= factor <= 5 or doubled or generalises_badly(facts) is not None
        return [
            found(
                "train-test-mismatch",
                "evaluation inputs have another scale than training inputs",
                number("spread in evaluation / in training", factor, 1 / FACTOR, FACTOR),
                number("difference of means, in spreads", shift, 0.0, 2.0),
                level="alarm" if sure and learns else "note",
                where=at(event),
                step=event["step"],
                cures=[("prepare both in one place", "x_test = prepare(x_test)")],
            )
        ]
    return NotSeen("inputs of training and evaluation were not both seen")


RULE = Rule("train-test-mismatch", judge, needs=("evaluation", "forward"))
