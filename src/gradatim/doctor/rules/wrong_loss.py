"""The loss does not fit the task.

Checks: squared or absolute error with targets that mark one class of each sample by a one, among
zeros: a classification.

Why: squared error on probabilities is flat where the network is wrong and sure; cross-entropy is
steepest there.

Evidence: exact that it is so, but it can work: a note. An alarm when the run does badly, or the
treatment with cross-entropy predicts a tenth more of at least 100 new samples.

Wrong when: a Brier score is meant.

Cure: cross-entropy on raw scores.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, at, found, number

GAIN, WELL, LEAST = 0.1, 0.85, 100
"""More accuracy that tells; accuracy above which nothing is tried; samples it must rest on."""


def _classification(item: Event) -> bool:
    if item["name"] not in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        return False
    given, target = item.get("input", {}), item.get("target", {})
    if item.get("by_hand"):
        return False
    if target.get("one_hot"):
        return True
    return bool(
        given.get("rows_sum_to_one")
        and target.get("low") == 0.0
        and target.get("high") == 1.0
        and [step["name"] for step in item["chain"]][:1] == ["Softmax"]
    )


def _accuracy(facts: Facts) -> float | None:
    if not facts.accuracies or min(facts.evaluated_samples, default=LEAST) < LEAST:
        return None
    return facts.accuracies[-1][1]


def judge(facts: Facts) -> Answer:
    """Look for squared errors of classes."""
    readings = [item for item in facts.criteria if _classification(item)]
    if len(readings) < 3 or len(readings) < 0.9 * len(facts.criteria):
        return []
    badly = outcome(facts)
    evidence = [number("targets", "zeros, and a one for the class"), *badly.evidence]
    before, trial = _accuracy(facts), facts.trials.get("cross-entropy")
    after = _accuracy(trial) if trial is not None else None
    more = before is not None and after is not None and after > before + GAIN
    if more:
        evidence.append(number("accuracy", before, after))
        evidence.append(number("accuracy with cross-entropy", after))
    finding = found(
        "wrong-loss",
        f"{readings[0]['name']} is used for classification",
        *evidence,
        level="alarm" if badly.bad or more else "note",
        where=at(readings[0]),
        step=1,
        cures=[("cross-entropy on raw scores", "F.cross_entropy(logits, labels)")],
    )
    poor = facts.finished and before is not None and before < WELL
    if finding.level == "note" and poor and trial is None:
        return Want(("cross-entropy",), "squared errors of classes predict poorly", [finding])
    return [finding]


RULE = Rule("wrong-loss", judge, needs=("backward",), least_steps=8)
