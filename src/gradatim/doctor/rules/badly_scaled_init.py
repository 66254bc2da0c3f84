"""The weights begin too small or too large, so the signal dies or blows up with depth.

Checks: the size of the weights times the square root of their fan-in, and the spread over the
samples of each layer's input, in the very first pass.

Why: a layer multiplies the spread of its input by about (size of a weight) x sqrt(fan-in). With
He or Xavier this is near one; far from one, ten layers make nothing, or everything, of it.

Evidence: statistical, so it alarms only when the run does badly. The median of size x sqrt(fan-in)
lies outside 0.2 to 4 (PyTorch's default is 0.58, Xavier 1, He 1.41), and the spread changes more
than tenfold from the first layer's result to the last layer's input. Or, whatever the weights, the
spread grows more than a hundredfold and the loss before any step is a hundred times the baseline.
Or the run ends above a quarter of the baseline only, the loss began at ten times the baseline, and
the median lies above 12.

Wrong when: the scale is meant (maximal-update parametrisation) and learning rates match; such runs
do not do badly.

Cure: He for ReLU, Xavier for tanh, or a normalisation layer.
"""

from __future__ import annotations

import math
from statistics import median

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import HALF, outcome
from gradatim.doctor.rule import Answer, Rule, found, number

LOW, HIGH, DRIFT, WILD = 0.2, 4.0, 10.0, 100.0


def judge(facts: Facts) -> Answer:
    """Look at weights and signal before the first step."""
    scales = {}
    for name, item in facts.parameters.items():
        shape = item["shape"]
        if len(shape) >= 2 and item.get("rms") and item["trainable"] and shape[0] > 1:
            scales[name] = item["rms"] * math.sqrt(math.prod(shape[1:]))
    if len(scales) < 2 or not facts.backwards or facts.backwards[0]["step"] != 1:
        return []
    typical = median(scales.values())
    layers = [layer for layer in facts.backwards[0].get("layers", []) if layer.get("varies")]
    if len(layers) < 3:
        return []
    drift = layers[-1]["varies"] / layers[1]["varies"]
    first, base = facts.first_loss, facts.baseline
    badly = outcome(facts)
    if len(scales) < 3 and not typical > 3 * HIGH:
        return []
    huge = typical > 3 * HIGH and bool(first and base and first > DRIFT * base)
    if not badly.bad and not (huge and facts.finished and (badly.share or 0.0) > HALF / 2):
        return []
    wild = bool(drift > WILD and first and base and first > WILD * base)
    if LOW <= typical <= HIGH and not wild:
        return []
    saturates = max(scales.values()) > 4 * HIGH / 2
    if not wild and 1 / DRIFT < drift < DRIFT and not (typical > HIGH and saturates):
        return []
    name = next(iter(scales))
    size = "small" if typical < LOW else "large"
    return [
        found(
            "badly-scaled-init",
            f"the weights begin too {size}: the signal does not keep its size through the layers",
            number("weight x sqrt(fan-in), median", typical, LOW, HIGH),
            number("spread of the signal, last layer / first", drift, 1 / DRIFT, DRIFT),
            where=Where(name.rpartition(".")[0], name),
            step=1,
            cures=[("initialise by fan-in", "nn.init.kaiming_normal_(layer.weight)")],
        )
    ]


RULE = Rule("badly-scaled-init", judge, needs=("model", "backward"))
