"""Gradients are wiped between ``backward`` and ``step``, so nothing is learned.

Checks: a backward pass gave the optimiser's parameters gradients, and at its step all of them are
zero or None.

Why: ``zero_grad`` after ``backward`` throws the gradients away; the step changes nothing (or only
applies weight decay and old momentum).

Evidence: exact. Alarms when three steps in a row, and nine of ten seen, had their gradients wiped;
or when at least eight steps were seen, none of the parameters ever had a gradient, and no backward
pass was made at all.

Wrong when: never seen. A skipped step of a gradient scaler does not call the optimiser.

Cure: the order is ``zero_grad``, ``backward``, ``step``.
"""

from __future__ import annotations

from gradatim.core.finding import Finding
from gradatim.core.record import number as value
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number

STEPS = 8


def _never_computed(facts: Facts) -> list[Finding]:
    """Look for steps without any backward pass before."""
    empty = [e for e in facts.updates if e.get("missing") and not e.get("parameters")]
    if facts.backwards or len(empty) < STEPS or len(empty) < len(facts.updates):
        return []
    return [
        found(
            "gradients-wiped",
            "the optimiser steps, but no backward pass is made: nothing is learned",
            number("steps without any gradient", len(empty), 0, 0),
            number("calls in one step", " ".join(empty[-1]["calls"][-8:])),
            where=at(empty[0]),
            step=empty[0]["step"],
            cures=[("compute gradients before the step", "loss.backward()")],
        )
    ]


def judge(facts: Facts) -> Answer:
    """Look for steps whose gradients had been thrown away, or were never there."""
    findings = _never_computed(facts)
    for index, optimiser in facts.optimisers.items():
        steps = [e for e in facts.updates if e["optimiser"] == index and "parameters" in e]
        wiped = [
            e
            for e in steps
            if e["grew"] and not any(value(p["gradient"]) for p in e["parameters"].values())
        ]
        if len(wiped) < 3 or len(wiped) < 0.9 * len(steps):
            continue
        findings.append(
            found(
                "gradients-wiped",
                "gradients are thrown away after backward and before step: nothing is learned",
                number("steps without any gradient, after a backward pass", len(wiped), 0, 0),
                number("calls in one step", " ".join(wiped[-1]["calls"][-8:])),
                where=at(wiped[-1].get("wiped") or optimiser),
                step=wiped[0]["step"],
                cures=[
                    (
                        "reset gradients before the backward pass, not after it",
                        "optimizer.zero_grad()\nloss.backward()\noptimizer.step()",
                    )
                ],
            )
        )
    return findings


RULE = Rule("gradients-wiped", judge, needs=("update",), least_steps=3)
