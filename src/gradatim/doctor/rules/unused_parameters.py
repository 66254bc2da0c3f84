"""Layers are defined and never used, or used and never registered.

Checks: parameters that an optimiser owns but no loss reaches, whose module is never called or
whose result is thrown away; and layers called inside a model that the model does not know (kept in
a plain list or dict).

Why: what is not called does not learn. What is not registered is not found by ``parameters()``: no
optimiser trains it, ``state_dict`` does not save it.

Evidence: exact. Layers that are not registered, trainable, reached by the loss and owned by no
optimiser are an alarm. Registered layers that are never called are a note (a pre-trained model's
unused pooler is harmless); an alarm when the run also does badly.

Wrong when: layers are used in some steps only.

Cure: ``nn.ModuleList`` instead of a list; remove what is not used.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import unfit
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _unregistered(facts: Facts) -> Answer:
    strangers = sorted(
        name for name in facts.reached - facts.owned if name.startswith("unregistered")
    )
    calls = [
        (event, call)
        for event in facts.forwards
        for call in event["calls"]
        if call["name"] is None and call.get("trainable")
    ]
    if not strangers or not calls:
        return []
    event, call = calls[0]
    return [
        found(
            "unused-parameters",
            "layers are used that the model has not registered: no optimiser trains them",
            number(
                "parameters reached by the loss and owned by no optimiser", len(strangers), 0, 0
            ),
            number("kind of layer", call["kind"]),
            where=at(event, module=event["model"], parameter=strangers[0]),
            step=event["step"],
            cures=[("register the layers", "self.layers = nn.ModuleList(layers)")],
        )
    ]


def judge(facts: Facts) -> Answer:
    """Look for layers out of use, or out of sight."""
    strangers = _unregistered(facts)
    if strangers or len(facts.backwards) < 3:
        return strangers
    called = {call["name"] for event in facts.forwards for call in event["calls"] if call["name"]}
    owned = [
        item["name"]
        for e in facts.optimisers.values()
        for item in e["parameters"]
        if item["trainable"] and item["name"] in facts.parameters
    ]
    idle = [n for n in owned if n not in facts.reached]
    unused = [n for n in idle if n.rpartition(".")[0] not in called] or idle
    if not unused or not all(e["complete"] for e in facts.backwards):
        return []
    return [
        found(
            "unused-parameters",
            "layers are defined and trained but never used",
            number("parameters never reached", len(unused), 0, 0),
            number("for example", unused[0]),
            level="alarm" if unfit(facts) else "note",
            where=Where(unused[0].rpartition(".")[0], unused[0]),
            step=1,
            cures=[("call the layer in forward, or remove it", "")],
        )
    ]


RULE = Rule("unused-parameters", judge, needs=("backward", "forward"), least_steps=3)
