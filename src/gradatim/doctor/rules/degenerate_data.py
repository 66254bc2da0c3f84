"""All samples of a batch are the same, or inputs do not vary at all.

Checks: how many different samples a training batch holds; whether any input varies.

Why: an index that is never used, or a transformation that erases everything, gives the same sample
for every label. Nothing can be learned.

Evidence: exact. Alarms when fewer than a tenth of the samples in the first batches differ (with at
least eight samples), or no input feature varies.

Wrong when: inputs are constants on purpose (learned codes); they carry no gradient but are one row.

Cure: look at ``__getitem__`` and at the transformations.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number


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
