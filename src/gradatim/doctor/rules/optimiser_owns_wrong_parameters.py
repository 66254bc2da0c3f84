"""The optimiser holds parameters that are not the ones being trained.

Checks: parameters that a loss reaches but no optimiser owns, together with parameters that an
optimiser owns but no loss ever reaches.

Why: a layer that is replaced, or a model that is built or moved again, after the optimiser was
made leaves the optimiser with the old tensors: the new ones get gradients and are never changed.

Evidence: exact. Alarms when both kinds exist after three steps of every optimiser; a parameter of
the same shape on both sides is the usual picture. Reached and unowned parameters alone are a note,
as training only a part of a model is common; an alarm when they are more than half of what the loss
reaches and the run does badly, or at least a third and the run ends above half of its baseline, or
when two optimisers that step hold the same parameters: one of them was meant for these.

Wrong when: another optimiser takes the others later. All optimisers that ever stepped count.

Cure: build the optimiser after the last change to the model.
"""

from __future__ import annotations

from collections import Counter

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome, unfit
from gradatim.doctor.rule import Answer, Rule, at, found, number

MOST, MANY = 0.5, 1 / 3


def judge(facts: Facts) -> Answer:
    """Compare what losses reach with what optimisers own."""
    trained = set().union(*(e["reached"] for e in facts.backwards[-8:]), set())
    unowned = sorted(name for name in trained - facts.owned if not name.startswith("unregistered"))
    known = facts.parameters
    unowned = [n for n in unowned if n in known and known[n]["trainable"]]
    if not unowned or not facts.optimisers or -1 in facts.optimisers:
        return []
    owned = {i["name"]: i for e in facts.optimisers.values() for i in e["parameters"]}
    stepping = {e["optimiser"] for e in facts.updates[-8:]}
    active = [e for index, e in facts.optimisers.items() if index in stepping]
    held = {i["name"] for e in active for i in e["parameters"] if i["trainable"]}
    stale = sorted(held - trained)
    optimiser = (active or list(facts.optimisers.values()))[-1]
    shapes = [tuple(owned[name]["shape"]) for name in stale]
    replaced = [name for name in unowned if tuple(known[name]["shape"]) in shapes]
    share = len(unowned) / max(1, len(unowned) + len(trained & facts.owned))
    alarm = bool(stale and (replaced or share == 1.0))
    alarm = alarm or (share > MOST and bool(outcome(facts).bad))
    alarm = alarm or (share >= MANY and unfit(facts))
    counted = Counter(i["name"] for e in active for i in e["parameters"])
    alarm = alarm or any(count > 1 for count in counted.values())
    return [
        found(
            "optimiser-owns-wrong-parameters",
            "parameters get gradients but belong to no optimiser"
            + (", and the optimiser holds others that get none" if stale else ""),
            number("parameters reached by the loss, owned by no optimiser", len(unowned), 0, 0),
            number("parameters owned, never reached", len(stale), 0, 0),
            number("for example", (replaced or unowned)[0]),
            level="alarm" if alarm else "note",
            where=at(optimiser, parameter=(replaced or unowned)[0]),
            step=facts.backwards[0]["step"],
            cures=[
                (
                    "build the optimiser after the model is complete",
                    "optimizer = type(optimizer)(model.parameters(), ...)",
                )
            ],
        )
    ]


RULE = Rule(
    "optimiser-owns-wrong-parameters", judge, needs=("backward", "optimiser"), least_steps=3
)
