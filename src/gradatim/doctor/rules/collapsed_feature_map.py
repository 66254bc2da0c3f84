"""Pooling or strides shrink the feature map to a single point before the last convolutions.

Checks: convolutions with a kernel larger than one whose input is 1 x 1.

Why: nothing is left to look at but padding; the place of everything is lost too early.

Evidence: exact, but sometimes intended: a note. An alarm when the run does badly.

Wrong when: the network was made for larger pictures and is fine-tuned on small ones knowingly.

Cure: smaller strides, fewer poolings, larger pictures.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import unfit
from gradatim.doctor.rule import Answer, Rule, found, number


def judge(facts: Facts) -> Answer:
    """Look for convolutions over a single point."""
    for event in facts.backwards[:1]:
        layers = [layer for layer in event.get("layers", []) if layer.get("kernel")]
        points = [
            layer
            for layer in layers
            if max(layer["kernel"], default=1) > 1
            and max(layer.get("input_shape", [0, 0, 2])[2:], default=2) == 1
        ]
        if points and layers[0].get("input_shape", [0, 0, 1])[-1] > 4:
            name = points[0]["parameters"][0] if points[0]["parameters"] else None
            return [
                found(
                    "collapsed-feature-map",
                    "the feature map is a single point before the last convolutions",
                    number("convolutions that see a single point", len(points), 0, 0),
                    number("side of the input picture", layers[0]["input_shape"][-1]),
                    level="alarm" if unfit(facts) else "note",
                    where=Where(name.rpartition(".")[0] if name else None, name),
                    step=1,
                    cures=[("smaller strides in the first layers", "stride=1")],
                )
            ]
    return []


RULE = Rule("collapsed-feature-map", judge, needs=("backward",))
