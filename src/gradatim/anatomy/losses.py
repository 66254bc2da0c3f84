"""One sample's loss derived from its scores, step by step. No torch.

Softmax and cross-entropy: scores, exponentials, probabilities, the negative logarithm of the right
one. Multi-class hinge: one term for each wrong class, zero once the right score is larger by the
margin. The slips of some course notes are shown beside what is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gradatim.errors import ValueRefusedError

Line = tuple[str, str]


@dataclass(frozen=True)
class LossDerivation:
    """One sample's loss.

    Attributes:
        loss: its name.
        value: in nats for cross-entropy.
        scores: of the classes.
        target: index of the right class.
        terms: exponentials, or hinge terms, one for each class.
        probabilities: of the classes, empty for the hinge loss.
        gradient: of the loss by each score.
        lines: the derivation, pairs (what, formula).
    """

    loss: Literal["cross-entropy", "hinge", "squared error"]
    value: float
    scores: tuple[float, ...]
    target: int
    terms: tuple[float, ...]
    probabilities: tuple[float, ...]
    gradient: tuple[float, ...]
    lines: tuple[Line, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def _n(value: float) -> str:
    """Write a number in short; a negative one in brackets, so that it can stand behind a sign."""
    text = f"{value:.4g}"
    return f"({text})" if value < 0 else text


def _checked(scores: Sequence[float], target: int) -> tuple[float, ...]:
    found = tuple(float(score) for score in scores)
    if len(found) < 2:
        raise ValueRefusedError("a loss over classes needs at least two scores", given=found)
    if not 0 <= target < len(found):
        raise ValueRefusedError(
            "there is no class of this number", given=target, allowed=f"0 to {len(found) - 1}"
        )
    if not all(math.isfinite(score) for score in found):
        raise ValueRefusedError("a score is not a finite number", given=found)
    return found


def cross_entropy(
    scores: Sequence[float], target: int, names: Sequence[str] = ()
) -> LossDerivation:
    """Derive the cross-entropy of one sample in nats: -log p of the right class.

    The largest score is subtracted first: it leaves the probabilities as they are and keeps the
    exponentials from overflowing.

    Raises:
        ValueRefusedError: fewer than two scores, a score that is not finite, or no such class.
    """
    values = _checked(scores, target)
    largest = max(values)
    powers = tuple(math.exp(score - largest) for score in values)
    total = sum(powers)
    probabilities = tuple(power / total for power in powers)
    value = math.log(total) - (values[target] - largest)
    label = _labels(values, names)
    lines: list[Line] = [
        (label[i], f"exp({_n(values[i])} - {_n(largest)}) = {_n(powers[i])}")
        for i in _shown(values, target)
    ]
    shown = " + ".join(_n(powers[i]) for i in range(min(8, len(powers))))
    more = " + ..." if len(powers) > 8 else ""
    lines.append(("sum", f"{shown}{more} = {_n(total)}"))
    lines += [
        (f"p({label[i]})", f"{_n(powers[i])}/{_n(total)} = {probabilities[i]:.4f}")
        for i in _shown(values, target)
    ]
    lines.append(("loss", f"-log({probabilities[target]:.4g}) = {value:.4f} nats"))
    lines.append(
        (
            "in other units",
            f"{value:.4f}/log(10) = {value / math.log(10):.4f} with log10, "
            f"{value:.4f}/log(2) = {value / math.log(2):.4f} bits",
        )
    )
    lines.append(
        (
            "without knowledge",
            f"log({len(values)}) = {math.log(len(values)):.4f} nats when all classes are equal",
        )
    )
    gradient = tuple(p - (i == target) for i, p in enumerate(probabilities))
    lines.append(
        (
            "gradient of the right score",
            f"{probabilities[target]:.4f} - 1 = {gradient[target]:.4f}",
        )
    )
    return LossDerivation(
        "cross-entropy", value, values, target, powers, probabilities, gradient, tuple(lines)
    )


def hinge(
    scores: Sequence[float], target: int, margin: float = 1.0, names: Sequence[str] = ()
) -> LossDerivation:
    """Derive the multi-class hinge loss of one sample: the sum of max(0, s_j - s_y + margin).

    Raises:
        ValueRefusedError: fewer than two scores, a score that is not finite, or no such class.
    """
    values = _checked(scores, target)
    right = values[target]
    terms = tuple(
        0.0 if i == target else max(0.0, score - right + margin) for i, score in enumerate(values)
    )
    value = sum(terms)
    label = _labels(values, names)
    lines: list[Line] = [
        (
            label[i],
            f"max(0, {_n(values[i])} - {_n(right)} + {_n(margin)}) "
            f"= max(0, {_n(values[i] - right + margin)}) = {_n(terms[i])}",
        )
        for i in _shown(values, target)
        if i != target
    ]
    shown = " + ".join(_n(term) for i, term in enumerate(terms[:9]) if i != target)
    more = " + ..." if len(terms) > 9 else ""
    lines.append(("loss", f"{shown}{more} = {_n(value)}"))
    active = sum(term > 0 for term in terms)
    gradient = tuple(
        float(-active) if i == target else float(term > 0) for i, term in enumerate(terms)
    )
    lines.append(
        ("gradient of the right score", f"-{active}: one for each term above 0" if active else "0")
    )
    return LossDerivation("hinge", value, values, target, terms, (), gradient, tuple(lines))


def squared_error(prediction: float, target: float) -> LossDerivation:
    """Derive the squared error of one prediction."""
    difference = prediction - target
    value = difference**2
    lines = (
        ("difference", f"{_n(prediction)} - {_n(target)} = {_n(difference)}"),
        ("loss", f"{_n(difference)}^2 = {_n(value)}"),
        ("gradient", f"2*{_n(difference)} = {_n(2 * difference)}"),
    )
    return LossDerivation(
        "squared error", value, (prediction,), 0, (difference,), (), (2 * difference,), lines
    )


def redundant_softmax_bound(classes: int) -> float:
    """Return the least cross-entropy that is left when softmax is applied twice.

    Probabilities as scores differ by at most 1, so the best is ``log(1 + (K - 1)/e)``.
    """
    return math.log(1 + (classes - 1) / math.e)


def _labels(values: Sequence[float], names: Sequence[str]) -> list[str]:
    if len(names) == len(values):
        return list(names)
    return [f"class {i}" for i in range(len(values))]


def _shown(values: Sequence[float], target: int) -> list[int]:
    """Return the classes worth showing: all of a few, else the right one and the highest."""
    if len(values) <= 8:
        return list(range(len(values)))
    best = sorted(range(len(values)), key=lambda i: -values[i])[:5]
    return sorted({*best, target})
