"""Gradients of several batches are summed for one step, and not divided by their number.

Checks: how many backward passes, each on samples of its own, go into one step, and whether the
loss is divided between criterion and ``backward``.

Why: k batches that are summed make a step k times as long: the learning rate is k times what was
meant.

Evidence: exact, but often intended: a note. An alarm when the run also does badly.

Wrong when: the learning rate was chosen for the sum; several losses of one batch are passed back
separately, which is told apart by the number of forward passes.

Cure: ``(loss / k).backward()``.
"""

from __future__ import annotations

from statistics import median

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import unfit
from gradatim.doctor.rule import Answer, Rule, at, found, number


def judge(facts: Facts) -> Answer:
    """Count the passes of each step."""
    if facts.several_players:
        return []
    passes = [row[4] for row in facts.rows if row[0] <= 8]
    if len(passes) < 3 or median(passes) < 2:
        return []
    count = int(median(passes))
    per_step: dict[int, set[str]] = {}
    for event in facts.forwards:
        key = f"{event.get('inputs', [{}])[0].get('mean')}"
        per_step.setdefault(event["step"], set()).add(key)
    batches = median([len(items) for items in per_step.values()]) if per_step else 0
    divided = [e["divided"] for e in facts.backwards]
    if batches < count or not divided or median(divided) > 1.5:
        return []
    values = [c.get("value") for c in facts.criteria[:20]]
    whole = [e for e, v in zip(facts.backwards, values, strict=False) if v and e["value"] == v]
    if not whole and not any(c.get("by_hand") for c in facts.criteria):
        return []
    return [
        found(
            "accumulation-not-divided",
            f"{count} batches are summed for each step and not divided by {count}",
            number("backward passes in one step", count, 1, 1),
            number("the loss is divided by", 1, count, count),
            level="alarm" if unfit(facts) else "note",
            where=at(facts.backwards[0]),
            step=1,
            cures=[("divide each loss by the number of batches", f"(loss / {count}).backward()")],
        )
    ]


RULE = Rule("accumulation-not-divided", judge, needs=("backward", "losses"), least_steps=3)
