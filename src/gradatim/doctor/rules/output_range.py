"""The last activation cannot reach the targets.

Checks: a loss that compares values (squared or absolute error) is given the result of a sigmoid,
softmax, tanh or ReLU, while more than a twentieth of the targets lie outside what that can give.

Why: a sigmoid gives 0 to 1, a ReLU nothing below 0. Targets beyond cannot be met; the unit
saturates, or dies, in trying.

Evidence: exact, from the operation before the loss and the targets of all batches seen.

Wrong when: targets are clipped or transformed inside the loss.

Cure: a linear last layer; scale the targets.
"""

from __future__ import annotations

from statistics import fmean

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number

_RANGES = {
    "Sigmoid": (("below_0", "above_1"), "0 to 1"),
    "Softmax": (("below_0", "above_1"), "0 to 1"),
    "Relu": (("below_0",), "0 and above"),
    "Tanh": (("outside_1",), "-1 to 1"),
    "Softplus": (("below_0",), "above 0"),
}
SHARE = 0.05


def _outside(item: Event) -> tuple[str, float] | None:
    """Return the last operation and the share of targets it cannot reach."""
    outside = item.get("targets_outside")
    for step in item.get("chain", [])[:2]:
        if step["name"] in _RANGES and outside:
            return step["name"], sum(outside[key] for key in _RANGES[step["name"]][0])
        if step["name"] not in ("Squeeze", "Select", "Slice"):
            break
    return None


def judge(facts: Facts) -> Answer:
    """Compare the last operation's range with the targets."""
    readings = [(item, pair) for item in facts.criteria if (pair := _outside(item))]
    if len(readings) < 3:
        return []
    share = fmean(pair[1] for _, pair in readings)
    if share < SHARE:
        return []
    item, (operation, _) = readings[0]
    target = item["target"]
    return [
        found(
            "output-range",
            f"the output ends in {operation.lower()} and cannot reach the targets",
            number("share of targets out of reach", share, 0.0, SHARE),
            number("range of the output", _RANGES[operation][1]),
            number("range of the targets", f"{target.get('low'):.4g} to {target.get('high'):.4g}"),
            where=at(item),
            step=item["step"],
            cures=[
                ("remove the last activation", "return self.last(x)"),
                ("and standardise the targets", "(y - y.mean()) / y.std()"),
            ],
        )
    ]


RULE = Rule("output-range", judge, needs=("backward",), least_steps=3)
