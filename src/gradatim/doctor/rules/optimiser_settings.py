"""Momentum or epsilon of the optimiser are far from what works.

Checks: Adam's epsilon beside the root of its second moment; momentum (or Adam's first beta).

Why: an epsilon above the gradients' size turns Adam into gradient descent with tiny steps. With
momentum m, a step is remembered for 1/(1-m) steps: with 0.999 a thousand, and the effective rate
is a thousandfold.

Evidence: an alarm when the run does badly, or the treatment with usual settings lowers its last
loss by more than half: epsilon more than three times the root of the second moment; momentum of
0.99 or more, or first beta of 0.99 or more.

Wrong when: large epsilons are used on purpose with large rates; such runs do not do badly.

Cure: epsilon 1e-8, momentum 0.9, betas 0.9 and 0.999.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Evidence
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, at, found, number
from gradatim.doctor.trial import better

MOMENTUM = 0.99


def _unusual(facts: Facts, event: Event) -> list[Evidence]:
    group = event["groups"][0] if event["groups"] else {}
    found_ = []
    roots = [
        e["root_second_moment"]
        for e in facts.updates
        if e["optimiser"] == event["optimiser"] and e.get("root_second_moment")
    ]
    epsilon = group.get("eps")
    if epsilon and roots and epsilon > 3 * median(roots):
        found_.append(number("epsilon", epsilon, 0.0, median(roots)))
    momentum = group.get("momentum") or (group.get("betas") or [0.0])[0]
    if momentum >= MOMENTUM:
        found_.append(number("momentum", momentum, 0.0, MOMENTUM))
    return found_


def judge(facts: Facts) -> Answer:
    """Look for unusual settings."""
    for event in facts.optimisers.values():
        unusual = _unusual(facts, event)
        if not unusual:
            continue
        badly = outcome(facts)
        gain = better(facts, "usual-optimiser-settings")
        sure = bool(badly.bad) or (gain is not None and gain.clear)
        finding = found(
            "optimiser-settings",
            "the optimiser's settings make its steps far too small or too long-lived",
            *unusual,
            *badly.evidence,
            level="alarm" if sure else "note",
            where=at(event),
            step=1,
            cures=[("use the defaults", f"torch.optim.{event['kind']}(parameters, lr=lr)")],
        )
        if not sure and gain is None:
            return Want(("usual-optimiser-settings",), "unusual settings", [finding])
        return [finding]
    return []


RULE = Rule("optimiser-settings", judge, needs=("optimiser", "update"), least_steps=8)
