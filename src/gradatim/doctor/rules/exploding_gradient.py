"""The gradient explodes.

Checks: the gradient of the first layers beside that of the last in the first steps; the size of
the whole gradient against its own history; for recurrent networks the largest eigenvalue of the
recurrent weights; with ``--probe``, the same script with clipped gradients.

Why: weights whose product grows with depth, or with time, make gradients of any size; one step
then throws the weights away.

Evidence: statistical, so it alarms only when the run does badly. Either the gradient-to-weight
ratio grows a thousandfold from the last to the first layers in the first steps, or the largest
gradient seen is a hundred times the median and the loss was higher after it, or recurrent
eigenvalues above 1.3 go together with gradients thirty times the median. Where the largest is ten
times the median, the treatment decides: an alarm when clipping halves the last loss.

Wrong when: single batches are outliers and the loss recovers: then the run does not do badly.

Cure: clip the gradient at about its 90th percentile; lower the learning rate; He initialisation.
"""

from __future__ import annotations

import math
from statistics import median

from gradatim.core.finding import Where
from gradatim.core.record import number as value
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, found, number
from gradatim.doctor.rules.vanishing_gradient import relative_gradients
from gradatim.doctor.trial import better

_CURES = (
    ("clip the gradient", "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"),
    ("lower the learning rate tenfold", "lr=lr / 10"),
)


def norms(facts: Facts) -> list[tuple[int, float]]:
    """Return step and size of the whole gradient, for the steps looked at."""
    sizes = []
    for event in facts.updates:
        total = 0.0
        for name, item in event.get("parameters", {}).items():
            shape = facts.parameters.get(name, {}).get("shape", [1])
            total += value(item["gradient"]) ** 2 * math.prod(shape)
        if math.isfinite(total):
            sizes.append((event["step"], math.sqrt(total)))
    return sizes


def judge(facts: Facts) -> Answer:
    """Compare the gradient with its own history and over depth."""
    if not outcome(facts).bad:
        return []
    ratios = list(relative_gradients(facts, early=True).items())
    if len(ratios) >= 4:
        third = max(1, len(ratios) // 3)
        first = median(v for _, v in ratios[:third])
        last = median(v for _, v in ratios[-third:])
        if last > 0 and first > 1e3 * last:
            return [
                found(
                    "exploding-gradient",
                    "the gradient grows a thousandfold from the last to the first layers",
                    number("first layers' gradient / last layers'", first / last, 1e-3, 1e3),
                    where=Where(ratios[0][0].rpartition(".")[0], ratios[0][0]),
                    step=1,
                    cures=_CURES,
                )
            ]
    sizes = norms(facts)
    radius = max((c.get("radius") or 0.0 for e in facts.forwards for c in e["calls"]), default=0.0)
    limit = 30 if radius > 1.3 else 100
    if len(sizes) < 8:
        return []
    typical = median(size for _, size in sizes)
    step, largest = max(sizes, key=lambda item: item[1])
    after = [v for s, v in facts.curve if step < s <= step + 3 and math.isfinite(v)]
    before = [v for s, v in facts.curve if step - 3 <= s <= step and math.isfinite(v)]
    rose = bool(after and before) and max(after) > min(before)
    if typical <= 0 or largest < 10 * typical:
        return []
    evidence = [number("largest gradient / median", largest / typical, 0.0, limit)]
    if largest < limit * typical or not (rose or not after):
        gain = better(facts, "clipping")
        if gain is None:
            return Want(("clipping",), "single gradients are far larger than others")
        if not gain.much:
            return []
        evidence.append(number("last loss with clipped gradients", gain.late))
    if radius > 1.3:
        evidence.append(number("largest eigenvalue of the recurrent weights", radius, 0.9, 1.1))
    return [
        found(
            "exploding-gradient",
            "single gradients are far larger than all others, and the loss rises after them",
            *evidence,
            step=step,
            cures=_CURES,
        )
    ]


RULE = Rule("exploding-gradient", judge, needs=("update",), least_steps=8)
