"""Gradients are never reset, so every step uses the sum of all gradients so far.

Checks: between two consecutive steps of the optimiser that owns a parameter, was its gradient
reset at any moment (``zero_grad``, set to None, zeroed or replaced)? The size of a few gradients
is compared at the beginning and end of every backward pass: a backward pass that begins with
exactly what the last one, or the last step, left behind found no reset.

Why: ``backward`` adds to ``.grad``. Without a reset the step follows an ever older sum; the
direction is stale and its size grows with the number of steps.

Evidence: exact. Alarms when no reset was seen in three steps out of at least three.

Wrong when: gradients are meant to be summed for ever, which no known method does. Accumulating
over several batches resets after each step and is not reported; neither is the discriminator of a
GAN, which is reset before its own backward pass.

Cure: call ``optimizer.zero_grad()`` once per step, before ``backward``.
"""

from __future__ import annotations

import math

from gradatim.core.record import number as value
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, NotSeen, Rule, at, found, number


def _finite(event: Event) -> bool:
    sizes = [value(item["gradient"]) for item in event.get("parameters", {}).values()]
    return all(math.isfinite(size) for size in sizes)


def judge(facts: Facts) -> Answer:
    """Look for optimisers whose gradients are never reset."""
    findings = []
    seen = False
    for index, optimiser in facts.optimisers.items():
        steps = [e for e in facts.updates if e["optimiser"] == index and e["reset"] is not None]
        if len(steps) < 3:
            continue
        seen = True
        steps = [
            e for e in steps if e["grew"] and _finite(e)
        ]  # what is not finite cannot be compared
        kept = [e for e in steps if not e["reset"]]
        if len(kept) < 3 or len(kept) < 0.9 * len(steps):
            continue
        findings.append(
            found(
                "missing-zero-grad",
                "gradients are not reset between steps: each step uses the sum of all before it",
                number("steps that began with the gradients of the step before", len(kept), 0, 0),
                number("calls in one step", " ".join(kept[-1]["calls"][-8:])),
                where=at(kept[0] if kept[0].get("file") else optimiser),
                step=kept[0]["step"],
                cures=[("reset gradients before each backward pass", "optimizer.zero_grad()")],
            )
        )
    return findings if seen else NotSeen("no two consecutive steps of an optimiser were seen")


RULE = Rule("missing-zero-grad", judge, needs=("update",), least_steps=4)
