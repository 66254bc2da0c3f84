"""All samples of a batch are the same, or inputs do not vary at all.

Checks: how many different samples a training batch holds; whether any input varies.

Why: an index that is never used, or a transformation that erases everything, gives the same sample
for every label. Nothing can be learned.

Evidence: exact. Alarms when fewer than 15 % of the samples of a batch differ (with at least eight
samples), when no input feature varies, or when fewer than a fifth of the samples that a loader
gives before they come round again differ and the run does badly.

Wrong when: inputs are constants on purpose (learned codes); they carry no gradient but are one row.

Cure: look at ``__getitem__`` and at the transformations.
"""

from __future__ import annotations

from gradatim.core.finding import Finding, Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import generalises_badly, outcome
from gradatim.doctor.rule import Answer, Rule, at, found, number

LEAST, FEW = 48, 0.2


def _few_of_many(facts: Facts) -> Finding | None:
    """Look for a first pass through a loader that shows few different samples, each many times."""
    count = next((e["samples"] for e in facts.loaders if e["samples"]), None)
    shown: list[int] = []
    for event in facts.record.of("samples"):
        shown += event["fingerprints"]
    if not count or count < LEAST or len(shown) < LEAST:
        return None
    shown = shown[:count]
    share = len(set(shown)) / len(shown)
    accuracy = facts.training_accuracy
    if share > FEW:
        return None
    worse = bool(accuracy and facts.accuracies and facts.accuracies[-1][1] < 0.8 * accuracy)
    shows = worse or bool(outcome(facts).bad) or generalises_badly(facts) is not None
    return found(
        "degenerate-data",
        "the data set gives the same few samples again and again",
        number("share of different samples in a pass", share, 0.5, 1.0),
        number("samples the loader counts", count),
        level="alarm" if shows else "note",
        where=at(facts.loaders[0]),
        step=1,
        cures=[("use the index in the data set", "return self.x[index], self.y[index]")],
    )


def judge(facts: Facts) -> Answer:
    """Count different samples and varying features."""
    batches = [e for e in facts.record.of("samples")[:8] if len(e["fingerprints"]) >= 8]
    shares = [len(set(e["fingerprints"])) / len(e["fingerprints"]) for e in batches]
    same = bool(shares) and len(shares) >= 3 and max(shares) < 0.15
    constant = [
        e
        for e in facts.forwards
        if e.get("samples", 0) >= 8
        and (f := (e.get("inputs") or [{}])[0].get("features"))
        and f["constant"] == f["count"]
    ]
    few = _few_of_many(facts)
    if few is not None:
        return [few]
    if not same and (len(constant) < 3 or len(constant) < 0.9 * len(facts.forwards)):
        return []
    return [
        found(
            "degenerate-data",
            "the samples of a batch are all the same",
            number("share of different samples in a batch", shares[0] if shares else 0.0, 0.5, 1.0),
            number("batches in which no input varies", len(constant), 0, 0),
            where=at(facts.forwards[0]) if facts.forwards else Where(),
            step=1,
            cures=[("use the index in the data set", "return self.x[index], self.y[index]")],
        )
    ]


RULE = Rule("degenerate-data", judge, needs=("forward",), least_steps=3)
