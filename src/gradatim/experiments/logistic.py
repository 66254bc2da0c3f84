"""A linear layer on given features, solved: softmax regression, or least squares for a number.

    minimise  mean loss(x W^T + b, y) + strength / 2 |W - W0|^2

over standardised features, by L-BFGS (Liu and Nocedal 1989) from the strongest regularisation to
the weakest, each beginning at the last. The strength that does best on the validation samples is
taken, and the standardisation is written into the layer.

W0 are rows that are known already, zero otherwise. What they know is how their classes differ from
each other. A vector added to all of them changes nothing between these classes, only between them
and the others, of which nothing is known. So with D = W - W0, the rows that are known are held by

    strength / 2 (|D|^2 + (HOLD - 1) |D - mean of its rows|^2)
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
HOLD = 10.0
"""How much harder known rows are held to each other than others are to zero. Of 1, 10, 100 and
1,000 it gave the least validation loss (benchmarks/results/fine-tuning.md)."""


@dataclass(frozen=True)
class Known:
    """Rows of a layer that are known before it is fitted.

    Attributes:
        rows: R different indices of the layer's rows.
        weight: ``R x D``, of the features as they are given.
        bias: ``R``.
    """

    rows: list[int]
    weight: Tensor
    bias: Tensor


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
    known: Known | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> Solved:
    """Return the layer with the strength that does best on held-out samples.

    Args:
        x_ND: features, float32.
        targets: ``N`` class indices (int64) or values (float32).
        outputs: K.
        held_x: features of the samples to choose by.
        held_targets: their classes or values.
        known: rows that are known.
        strengths: of the regularisation to choose from, from the strongest on; without held-out
            samples ``DEFAULT_STRENGTH`` is taken.
    """
    std, mean = torch.std_mean(x_ND, dim=0, correction=0)
    std = std.clamp(min=LEAST_DEVIATION)
    features = (x_ND - mean) / std
    weight, bias = torch.zeros(outputs, x_ND.shape[1]), torch.zeros(outputs)
    if known is not None:  # the same scores of standardised features
        known = Known(known.rows, known.weight * std, known.bias + known.weight @ mean)
        weight[known.rows], bias[known.rows] = known.weight, known.bias
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
    x_ND: Tensor,
    targets: Tensor,
    strength: float,
    weight: Tensor,
    bias: Tensor,
    known: Known | None = None,
) -> tuple[Tensor, Tensor]:
    """Return weight and bias at the minimum for one strength.

    Args:
        x_ND: standardised features.
        targets: as ``choose``.
        strength: of the regularisation.
        weight: where to begin.
        bias: likewise.
        known: rows that are known, of these features.
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
        value = value + strength / 2 * distance(weight, known)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    descent.step(objective)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def distance(weight: Tensor, known: Known | None) -> Tensor:
    """Return how far a layer is from what is known of it: what the strength multiplies."""
    if known is None:
        return weight.square().sum()
    others = torch.ones(len(weight), dtype=torch.bool)
    others[known.rows] = False
    moved = weight[known.rows] - known.weight
    apart = moved - moved.mean(0)
    return weight[others].square().sum() + moved.square().sum() + (HOLD - 1) * apart.square().sum()


def loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of classes, or half the mean squared error of values."""
    if targets.is_floating_point():
        return (scores[:, 0] - targets).square().mean() / 2
    return functional.cross_entropy(scores, targets)
