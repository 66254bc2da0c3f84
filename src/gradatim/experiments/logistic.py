"""A linear layer on given features, solved: softmax regression, or least squares for a number.

    minimise  mean loss(x W^T + b, y) + strength / 2 |W - W0|^2

over standardised features, by L-BFGS (Liu and Nocedal 1989) from the strongest regularisation to
the weakest, each beginning at the last. W0 are rows that are known already, zero otherwise. The
strength that does best on the validation samples is taken, and the standardisation is written
into the layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

# Each a factor 10^(1/2) apart: validation scores change little between two neighbours.
STRENGTHS = tuple(10 ** (-exponent / 2) for exponent in range(-1, 9))
DEFAULT_STRENGTH = STRENGTHS[4]
"""Used where there are no validation samples to choose by."""
ITERATIONS = 60
TOLERANCE = 1e-5  # largest entry of the gradient at which a solution counts as found
LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Solved:
    """A linear layer.

    Attributes:
        weight: ``K x D``.
        bias: ``K``.
        strength: of the regularisation that was taken.
        losses: mean loss on the validation samples, by strength.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    losses: dict[float, float]


def choose(
    x_ND: Tensor,
    targets: Tensor,
    outputs: int,
    held_x: Tensor | None = None,
    held_targets: Tensor | None = None,
    start: tuple[Tensor, Tensor] | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> Solved:
    """Return the layer with the strength that does best on held-out samples.

    Args:
        x_ND: features, float32.
        targets: ``N`` class indices (int64) or values (float32).
        outputs: K.
        held_x: features of the samples to choose by.
        held_targets: their classes or values.
        start: rows and biases that are known, ``K x D`` and ``K``, zeros where none is.
        strengths: of the regularisation to choose from, from the strongest on; without held-out
            samples ``DEFAULT_STRENGTH`` is taken.
    """
    std, mean = torch.std_mean(x_ND, dim=0, correction=0)
    std = std.clamp(min=LEAST_DEVIATION)
    features = (x_ND - mean) / std
    width = x_ND.shape[1]
    weight0, bias0 = start or (torch.zeros(outputs, width), torch.zeros(outputs))
    known = weight0 * std  # the same scores of standardised features
    weight, bias = known.clone(), bias0 + weight0 @ mean
    losses: dict[float, float] = {}
    best: tuple[float, Tensor, Tensor, float] | None = None
    for strength in strengths if held_x is not None else (DEFAULT_STRENGTH,):
        weight, bias = solve(features, targets, strength, weight, bias, known)
        value = 0.0
        if held_x is not None and held_targets is not None:
            scores = (held_x - mean) / std @ weight.T + bias
            value = losses[strength] = float(loss(scores, held_targets))
        if best is None or value < best[0]:
            best = (value, weight.clone(), bias.clone(), strength)
    assert best is not None
    _, weight, bias, strength = best
    weight = weight / std
    return Solved(weight, bias - weight @ mean, strength, losses)


def solve(
    x_ND: Tensor, targets: Tensor, strength: float, weight: Tensor, bias: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Return weight and bias at the minimum for one strength.

    Args:
        x_ND: standardised features.
        targets: as ``choose``.
        strength: of the regularisation.
        weight: where to begin.
        bias: likewise.
        known: W0, what the weights are pulled towards.
    """
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    descent = torch.optim.LBFGS(
        [weight, bias],
        max_iter=ITERATIONS,
        tolerance_grad=TOLERANCE,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        descent.zero_grad()
        value = loss(x_ND @ weight.T + bias, targets)
        value = value + strength / 2 * (weight - known).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    descent.step(objective)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of classes, or half the mean squared error of values."""
    if targets.is_floating_point():
        return (scores[:, 0] - targets).square().mean() / 2
    return functional.cross_entropy(scores, targets)
