"""Layers follow one another with nothing non-linear between them.

Checks: all operations from the first layer to the last: whether any is non-linear; and pairs of
layers with only linear operations between.

Why: two linear layers are one linear layer. However deep, such a network can only separate by a
plane.

Evidence: exact. A network of several layers without any non-linear operation is an alarm when the
run does badly, else a note; single pairs (bottlenecks, separable convolutions) are not reported.

Wrong when: a linear model is meant.

Cure: an activation between the layers.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number


def judge(facts: Facts) -> Answer:
    """Look for networks that are linear as a whole."""
    linear = [e for e in facts.backwards if e.get("linear")]
    if len(linear) < 3 or len(linear) < len(facts.backwards):
        return []
    layers = [layer for layer in linear[0]["layers"] if layer["parameters"]]
    name = layers[1]["parameters"][0] if len(layers) > 1 else None
    return [
        found(
            "missing-nonlinearity",
            f"{len(layers)} layers without anything non-linear between: they are worth one",
            number("layers", len(layers)),
            number("non-linear operations", 0, 1, None),
            *outcome(facts).evidence,
            level="alarm" if outcome(facts).bad else "note",
            where=Where(name.rpartition(".")[0] if name else None, name),
            step=1,
            cures=[("put an activation between the layers", "torch.relu(self.first(x))")],
        )
    ]


RULE = Rule("missing-nonlinearity", judge, needs=("backward",), least_steps=3)
