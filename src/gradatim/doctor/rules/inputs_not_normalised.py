"""Inputs are not brought to a common scale, or are scaled twice.

Checks: mean, spread and range of the training inputs, per feature where there are features, unless
the first layer normalises them.

Why: a gradient step is as long in every direction. Features a thousand times larger than others, or
a mean far from zero, make the loss a long narrow valley; inputs near zero make all gradients tiny.

Evidence: features whose spread differs more than a hundredfold, a mean of more than ten spreads,
values beyond 50, or a spread below 0.02. An alarm when the run does badly (or is not finite), when
it is too short to tell and stayed above half of the baseline, or when the treatment with
standardised inputs lowers its last loss by more than half. Being outside
[-1, 1] is not judged: standardised inputs are.

Wrong when: the first layers adapt (BatchNorm first, embeddings), which is not reported.

Cure: standardise with mean and spread of the training part.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Evidence, Where
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import HALF, outcome
from gradatim.doctor.rule import Answer, Rule, Want, at, found, number
from gradatim.doctor.trial import better

RATIO, SHIFT, LARGE, SMALL = 100.0, 10.0, 50.0, 0.02
_NORMALISING = ("Norm", "Embedding")


def normalises_first(facts: Facts) -> bool:
    """Say whether the first layer with weights normalises or looks up its input."""
    for event in facts.forwards[:1]:
        words = _NORMALISING if len(event.get("inputs") or []) < 2 else _NORMALISING[:1]
        for call in event["calls"][:1]:  # a table looks up another input than the first
            return any(word in call["kind"] for word in words)
    return False


def _unusual(inputs: list[Event]) -> list[Evidence]:
    evidence = []
    ratios = [
        f["largest_std"] / f["smallest_std"]
        for item in inputs
        if (f := item.get("features")) and f.get("smallest_std") and len(item["shape"]) == 2
    ]
    if ratios and median(ratios) > RATIO:
        evidence.append(
            number("largest spread of a feature / smallest", median(ratios), 1.0, RATIO)
        )
    spread = median(item.get("std", 1.0) for item in inputs)
    mean = median(abs(item.get("mean", 0.0)) for item in inputs)
    highest = median(max(abs(item.get("low", 0)), abs(item.get("high", 0))) for item in inputs)
    if mean > SHIFT * spread > 0:
        evidence.append(number("mean / spread", mean / spread, -SHIFT, SHIFT))
    if highest > LARGE:
        evidence.append(number("largest value", highest, None, LARGE))
    if 0 < spread < SMALL:
        evidence.append(number("spread", spread, SMALL, None))
    return evidence


def judge(facts: Facts) -> Answer:
    """Look at the scale of the inputs."""
    inputs = [i for i in facts.inputs() if i["kind"].startswith("float") and "std" in i]
    if not inputs or normalises_first(facts):
        return []
    unusual = _unusual(inputs)
    if unusual and unusual[0].name.startswith("largest spread") and len(unusual) == 1:
        low = median(i["features"]["largest_std"] for i in inputs if i.get("features"))
        if low <= 2.0:  # nearly constant pixels beside others: no harm is done by small ones
            unusual = []
    if not unusual:
        return []
    badly = outcome(facts)
    gain = better(facts, "inputs-standardised")
    base, late = facts.baseline, facts.late_loss
    short = badly.bad is None and facts.finished and bool(base and late and late > HALF * base)
    sure = bool(badly.bad) or short or (gain is not None and gain.clear)
    finding = found(
        "inputs-not-normalised",
        "the inputs are not on a common scale near one",
        *unusual,
        *badly.evidence,
        level="alarm" if sure else "note",
        where=at(facts.forwards[0]) if facts.forwards else Where(),
        step=1,
        cures=[("standardise with the training part's figures", "x = (x - mean) / std")],
    )
    if not sure and gain is None and (badly.share or 0.0) > 0.3:
        return Want(("inputs-standardised",), "inputs of an unusual scale", [finding])
    return [finding]


RULE = Rule("inputs-not-normalised", judge, needs=("backward",), least_steps=2)
