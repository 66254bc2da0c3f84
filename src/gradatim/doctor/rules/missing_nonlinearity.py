"""Layers follow one another with nothing non-linear between them.

Checks: all operations from the first layer to the last: whether any is non-linear; and pairs of
layers with nothing but dropout and changes of view between.

Why: two linear layers are one linear layer. However deep, such a network can only separate by a
plane.

Evidence: exact. A network of several layers without any non-linear operation is an alarm when the
run does badly, or ends above 15 % of its baseline with three layers or more, or a pair of layers as
below; else a note. A
pair of dense layers whose middle is at least as wide as one of its ends (a bottleneck is narrower),
or of convolutions with kernels larger than one (separable ones end in one of size one), is an alarm
when the run ends above half of its baseline, else a note; a note too where the run learns nothing
at all and non-linear layers are left: one layer less is not the reason then.

Wrong when: a linear model is meant.

Cure: an activation between the layers.
"""

from __future__ import annotations

from itertools import pairwise

from gradatim.core.finding import Finding, Where
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome, unfit
from gradatim.doctor.rule import Answer, Rule, found, number

FIT = 0.15
"""Share of the baseline above which a network that is linear as a whole fits poorly."""

FEW = 4
"""Layers of which one less may be the reason that nothing is learned."""


def _pair(event: Event) -> tuple[Event, Event] | None:
    """Return two layers that are worth one."""
    for first, second in pairwise(event.get("layers", [])):
        if not second.get("linear_from_last") or not first["parameters"]:
            continue
        one, other = first.get("kernel"), second.get("kernel")
        if one and other and min(one) > 1 and min(other) > 1:
            return first, second
        if one or other or not second["parameters"]:
            continue
        if first.get("input_shape") and first["shape"] and second["shape"]:
            ends = min(first["input_shape"][-1], second["shape"][-1])
            if first["shape"][-1] >= ends > 1:
                return first, second
    return None


def _found(facts: Facts, alarm: bool, name: str | None, says: str, count: int) -> Finding:
    return found(
        "missing-nonlinearity",
        says,
        number("layers", count),
        number("non-linear operations between them", 0, 1, None),
        *outcome(facts).evidence,
        level="alarm" if alarm else "note",
        where=Where(name.rpartition(".")[0] if name else None, name),
        step=1,
        cures=[("put an activation between the layers", "torch.relu(self.first(x))")],
    )


def judge(facts: Facts) -> Answer:
    """Look for networks that are linear as a whole, or in part."""
    if len(facts.backwards) < 3:
        return []
    if all(event.get("linear") for event in facts.backwards):
        layers = [item for item in facts.backwards[0]["layers"] if item["parameters"]]
        name = layers[1]["parameters"][0] if len(layers) > 1 else None
        says = f"{len(layers)} layers without anything non-linear between: they are worth one"
        badly = outcome(facts)
        stack = len(layers) > 2 or bool(_pair(facts.backwards[-1]))
        poor = facts.finished and (badly.share or 0.0) > FIT and stack
        return [_found(facts, bool(badly.bad) or poor, name, says, len(layers))]
    pairs = [pair for event in facts.backwards if (pair := _pair(event))]
    if len(pairs) < len(facts.backwards):
        return []
    name = pairs[0][1]["parameters"][0]
    says = "two layers with nothing non-linear between: they are worth one"
    weights = [item for item in facts.backwards[-1].get("layers", []) if item["parameters"]]
    many = len(weights) > FEW and bool(outcome(facts).bad)
    return [_found(facts, unfit(facts) and not many, name, says, 2)]


RULE = Rule("missing-nonlinearity", judge, needs=("backward",), least_steps=3)
