"""The loss or the weights are no longer finite.

Checks: the loss of each step; on the first loss that is NaN or infinite, whether the weights
already are, which operation first met such a value, and operations used where their value or slope
is not finite (logarithm of zero, division by zero, square root at zero).

Why: nothing can be learned any more; every following step is NaN too.

Evidence: exact. Alarms when three losses in a row, the last loss, or a weight is not finite, or
when the script ended itself with an error while it held such a loss, or as a loss refused it.
Usually it is the symptom of another fault, named as its cause when that is found.

Wrong when: a gradient scaler skips steps whose gradients overflow: the weights stay finite, the
loss recovers, and nothing is reported.

Cure: add an epsilon, use the loss on raw scores, lower the learning rate, clip gradients.
"""

from __future__ import annotations

import math

from gradatim.core.finding import Evidence, Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, Rule, found, number


def broken_since(facts: Facts) -> int | None:
    """Return the step since which loss or weights are not finite, or None."""
    if facts.refused:
        return facts.steps + 1
    for event in facts.troubles:
        if event.get("final"):  # the script ended itself on it
            return int(event["step"])
        if event["parameters"]:  # lost in the step whose loss was the first to be no number
            return _first_of(facts, int(event["step"]))
    run = 0
    first = None
    for step, value in facts.curve:
        if math.isfinite(value):
            run, first = 0, None
        else:
            run += 1
            first = first or step
            if run >= 3:
                return first
    return first if facts.finished else None


def _first_of(facts: Facts, since: int) -> int:
    """Return the first of the steps without a finite loss that lead up to a step without a gap."""
    for step, value in reversed(facts.curve):
        if step < since:
            if step < since - 1 or math.isfinite(value):
                break
            since = step
    return since


def judge(facts: Facts) -> Answer:
    """Say since when, and where it began."""
    since = broken_since(facts)
    if since is None:
        return []
    trouble = facts.troubles[0] if facts.troubles else {}
    dangerous = list(trouble.get("hazards", []))
    for event in facts.backwards:
        if event["step"] <= since:
            dangerous += event.get("hazards", [])
    evidence: list[Evidence] = [number("first step whose loss is not finite", since)]
    if dangerous:
        item = dangerous[0]
        evidence.append(
            number(
                f"values at which {item['operation']} has no finite value or slope",
                item["values"],
                0,
                0,
            )
        )
    start = trouble.get("first") or {}
    if start:
        evidence.append(number("first operation that met such a value", start["operation"]))
    if trouble.get("parameters"):
        evidence.append(number("weights no longer finite", len(trouble["parameters"]), 0, 0))
    line = next((e for e in reversed(facts.backwards) if e["step"] <= since), {})
    return [
        found(
            "non-finite",
            f"the loss is not finite since step {since}",
            *evidence,
            where=Where(start.get("layer"), None, line.get("file"), line.get("line")),
            step=since,
            cures=[
                ("keep arguments away from zero", "torch.log(x.clamp_min(1e-7))")
                if dangerous
                else (
                    "lower the learning rate tenfold, and clip",
                    "clip_grad_norm_(parameters, 1.0)",
                ),
                ("use the loss on raw scores", "F.binary_cross_entropy_with_logits(logits, y)"),
            ],
        )
    ]


RULE = Rule("non-finite", judge, least_steps=0)
