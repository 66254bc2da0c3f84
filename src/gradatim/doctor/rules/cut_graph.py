"""The graph from the loss to the parameters is cut.

Checks: parameters that an optimiser owns and whose modules are called in training, but that no
loss ever reaches, while a module called after them is given a tensor without history; or a loss
that reaches no parameter at all.

Why: ``detach``, ``.data``, ``.item()``, ``torch.tensor(...)``, NumPy and ``no_grad`` cut the graph;
everything before the cut stays as it was initialised.

Evidence: exact. Alarms after three steps.

Wrong when: a part is meant to stay as it is, but its parameters are still trainable and still
given to the optimiser. Targets without gradient (teachers, stop-gradient branches) are reached by
another path or not owned, and not reported.

Cure: keep tensors as they are between the model and the loss.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import unfit
from gradatim.doctor.rule import Answer, Rule, at, found, number

_CURE = ("remove detach, .data, .item(), numpy or no_grad between layers and loss", "")


def _nothing(facts: Facts) -> list[Event]:
    """Return backward passes that reached nothing that can be trained."""
    return [e for e in facts.backwards if not e["reached"] and e["complete"]]


def _refused(facts: Facts) -> Answer:
    """Look for PyTorch's own refusal to walk a graph that is not there."""
    message = facts.end.get("message", "")
    if "does not require grad and does not have a grad_fn" not in message:
        return []
    trainable = [item for item in facts.parameters.values() if item["trainable"]]
    return [
        found(
            "cut-graph" if trainable or not facts.parameters else "frozen-parameters",
            "the loss is not connected to any parameter",
            number("the script ended with", message[:100]),
            number("parameters that can be trained", len(trainable), 1, None),
            where=Where(file=facts.end.get("file"), line=facts.end.get("line")),
            step=facts.steps + 1,
            cures=[_CURE],
        )
    ]


def judge(facts: Facts) -> Answer:
    """Look for owned parameters behind a cut."""
    refused = _refused(facts)
    if refused:
        return refused
    nothing = _nothing(facts)
    if len(nothing) >= 3 and len(nothing) == len(facts.backwards) and facts.optimisers:
        first = nothing[0]
        return [
            found(
                "cut-graph",
                "the loss is not connected to any parameter: nothing is learned",
                number("parameters reached from the loss", 0, 1, None),
                number("operations between loss and parameters", len(first["tail"])),
                where=at(first),
                step=first["step"],
                cures=[("hand the computed loss itself to backward", "loss.backward()")],
            )
        ]
    if len(facts.backwards) < 3 or not all(e["complete"] for e in facts.backwards):
        return []
    return _between_layers(facts) or _given_none(facts)


def _given_none(facts: Facts) -> Answer:
    """Look for parameters on the way of every backward pass that never get a gradient."""
    always = set.intersection(*(set(e["reached"]) for e in facts.backwards))
    for index in facts.optimisers:
        steps = [e for e in facts.updates if e["optimiser"] == index and e.get("parameters")]
        if len(steps) < 3:
            continue
        without = sorted(
            name
            for name in always.intersection(*(e["missing"] for e in steps))
            if len(facts.parameters.get(name, {}).get("shape", [])) >= 2  # scales may be meant
        )
        if without:
            name = without[-1]
            return [
                found(
                    "cut-graph",
                    "an operation gives no gradient to what comes before it: a function whose "
                    "backward returns None, or a hook",
                    number("parameters on the way that get no gradient", len(without), 0, 0),
                    level="alarm" if unfit(facts) else "note",
                    where=at(facts.backwards[0], module=name.rpartition(".")[0], parameter=name),
                    step=facts.backwards[0]["step"],
                    cures=[("return the gradient of each input", "return gradient * slope")],
                )
            ]
    return []


def _between_layers(facts: Facts) -> Answer:
    owned = {
        item["name"]
        for e in facts.optimisers.values()
        for item in e["parameters"]
        if item["trainable"]
    }
    lost = owned - facts.reached
    if not lost or not facts.reached & owned:
        return []
    if not facts.forwards:  # no modules tell where
        name = sorted(lost)[0]
        return [
            found(
                "cut-graph",
                "parameters that an optimiser owns are never reached by the loss",
                number("owned parameters never reached by the loss", len(lost), 0, 0),
                level="alarm" if unfit(facts) else "note",
                where=at(facts.backwards[0], parameter=name),
                step=facts.backwards[0]["step"],
                cures=[_CURE],
            )
        ]
    behind = {name.rpartition(".")[0] for name in lost}
    for event in facts.forwards[:8]:
        untracked = {c["name"] for c in event["calls"] if c.get("tracked") is False}
        inside = sorted(name for name in lost if name.rpartition(".")[0] in untracked)
        if inside:
            return [
                found(
                    "cut-graph",
                    "a layer that should be trained runs without gradients",
                    number("owned parameters never reached by the loss", len(lost), 0, 0),
                    where=Where(
                        inside[0].rpartition(".")[0], inside[0], event["file"], event["line"]
                    ),
                    step=event["step"],
                    cures=[_CURE],
                )
            ]
        called: list[str] = []
        for call in event["calls"]:
            name = call["name"] or ""
            after = [item for item in called if item in behind]
            blind = call.get("floating") and not call.get("gradient") and not call.get("is_batch")
            reached = any(item.startswith(name + ".") for item in facts.reached)
            if after and blind and reached and name not in behind:
                return [
                    found(
                        "cut-graph",
                        f"the graph is cut before {name}: what comes before it is not trained",
                        number("owned parameters never reached by the loss", len(lost), 0, 0),
                        number("last module before the cut", after[-1]),
                        where=Where(name, sorted(lost)[0], event["file"], event["line"]),
                        step=event["step"],
                        cures=[_CURE],
                    )
                ]
            called.append(name)
    return _whole_models(facts, lost)


def _whole_models(facts: Facts, lost: set[str]) -> Answer:
    """Look for a model that runs with gradients in every step, and that no loss reaches."""
    alike: dict[frozenset[str], list[str]] = {}  # a slice of a model is a new one in every step
    for name, model in facts.models.items():
        weights = frozenset(item["name"] for item in model["parameters"] if item["trainable"])
        alike.setdefault(weights, []).append(name)
    for weights, names in alike.items():
        name = names[0]
        steps = [e for e in facts.updates if not set(names).isdisjoint(e.get("wasted", ()))]
        if weights and weights <= lost and len(steps) >= 3:
            return [
                found(
                    "cut-graph",
                    f"what {name} computes is used without its gradient: it is not trained",
                    number("parameters of it that the loss reaches", 0, 1, None),
                    number("steps in which it ran", len(steps)),
                    where=at(facts.backwards[0], module=name),
                    step=steps[0]["step"],
                    cures=[_CURE],
                )
            ]
    return []


RULE = Rule("cut-graph", judge)
