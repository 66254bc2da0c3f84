"""Gradients are clipped so tightly that hardly anything moves.

Checks: the norm before clipping beside the limit, at every step looked at, and the kind of
optimiser.

Why: a gradient clipped to a hundredth of its size makes a step a hundredth as long. Adam divides
that out again; plain gradient descent does not.

Evidence: a note when nine of ten steps are clipped to less than a twentieth; an alarm when the run
also does badly, with an optimiser that does not rescale.

Wrong when: clipping replaces the learning rate on purpose.

Cure: clip at about the 90th percentile of the norms.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Where
from gradatim.core.record import number as value
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import unfit
from gradatim.doctor.rule import Answer, Rule, found, number


def judge(facts: Facts) -> Answer:
    """Compare norms with the limit."""
    clips = [c for e in facts.updates for c in e["clips"] if c["norm"] is not None]
    ratios = [value(c["norm"]) / c["limit"] for c in clips if c["limit"] > 0]
    if len(ratios) < 8:
        return []
    tight = [ratio for ratio in ratios if ratio > 20]
    if len(tight) < 0.9 * len(ratios):
        return []
    rescales = all("Ada" in o["kind"] or "RMS" in o["kind"] for o in facts.optimisers.values())
    return [
        found(
            "clip-too-tight",
            "every gradient is clipped to a small fraction of itself",
            number("norm / limit, median", median(ratios), 0.0, 20.0),
            number("share of clipped steps", len(tight) / len(ratios), 0.0, 0.5),
            level="alarm" if unfit(facts) and not rescales else "note",
            where=Where(file=clips[0].get("file"), line=clips[0].get("line")),
            step=facts.updates[0]["step"],
            cures=[("clip where one step in ten is clipped", "max_norm=1.0")],
        )
    ]


RULE = Rule("clip-too-tight", judge, needs=("update",), least_steps=8)
