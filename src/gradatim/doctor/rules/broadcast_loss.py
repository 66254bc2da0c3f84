"""Output and target have different shapes, and the loss is computed for every pair of samples.

Checks: a loss is given N x 1 against N (or the reverse), or a loss written by hand contains an
N x N result that came from N x 1 or N values by subtraction or multiplication with data.

Why: broadcasting compares every output with every target; the best answer is then the mean for
all, and nothing can be learned. PyTorch only warns.

Evidence: exact, from the shapes at the loss.

Wrong when: a loss compares all pairs on purpose; then both sides come from the model, or a matrix
product stands there, and nothing is reported.

Cure: bring both to the same shape.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number

_PAIRWISE = {"Sub", "Mul", "Rsub", "Add", "Expand", "Div", "BinaryCrossEntropy", "MseLoss"}


def _shapes(event: Event) -> tuple[list[int], list[int]] | None:
    """Return the two shapes that were broadcast against one another, if that happened."""
    for loss in event["losses"]:
        given = loss.get("input", {}).get("shape")
        target = loss.get("target", {}).get("shape")
        elementwise = loss["name"] in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
        if not elementwise or loss.get("by_hand") or given is None or target is None:
            continue
        if given != target and sorted(given) != sorted(target) and _grows(given, target):
            return given, target
    for item in event["tail"]:
        big, below = item.get("shape"), item.get("inputs", [])
        if not big or item["name"] not in _PAIRWISE or len(big) != 2 or len(below) != 1:
            continue
        samples, small = big[0], below[0]
        if big[1] == samples > 1 and small in ([samples, 1], [samples]):
            return small, [samples] if len(small) == 2 else [samples, 1]
    return None


def _grows(one: list[int], other: list[int]) -> bool:
    """Say whether N x 1 meets N (in either order)."""
    long, short = (one, other) if len(one) > len(other) else (other, one)
    return len(long) == 2 and len(short) == 1 and long == [short[0], 1] and short[0] > 1


def judge(facts: Facts) -> Answer:
    """Look for outputs and targets that were broadcast."""
    pairs = [(event, shapes) for event in facts.backwards if (shapes := _shapes(event))]
    if len(pairs) < 3 or len(pairs) < 0.8 * len(facts.backwards):
        return []
    event, (one, other) = pairs[0]
    return [
        found(
            "broadcast-loss",
            "every output is compared with every target, because their shapes differ",
            number("shape of the output", " x ".join(map(str, one)), None, None),
            number("shape of the target", " x ".join(map(str, other)), None, None),
            where=at((event["losses"] or [event])[0]),
            step=event["step"],
            cures=[
                ("drop the output's last axis", "loss_fn(output.squeeze(1), target)"),
                ("or give the target one", "loss_fn(output, target.unsqueeze(1))"),
            ],
        )
    ]


RULE = Rule("broadcast-loss", judge, needs=("backward",), least_steps=3)
