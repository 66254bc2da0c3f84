"""Weight averaging: a smooth copy of the weights that is evaluated and shipped instead."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Exponential average of the parameters: average += (1 - decay) (weights - average).

    At the beginning the decay is (1 + step) / (10 + step) where that is smaller, so that the
    random initial weights are forgotten (as TensorFlow's ``ExponentialMovingAverage`` does with
    ``num_updates``). Buffers, such as BatchNorm's running statistics, are those of the model.

    Args:
        model: whose parameters are averaged.
        decay: per step, in (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._weights = [parameter.detach() for parameter in model.parameters()]
        self.names = [name for name, _ in model.named_parameters()]
        self.average = [weight.clone() for weight in self._weights]
        self.decay = decay

    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, self._weights, 1 - decay)

    def swap(self) -> None:
        """Exchange the weights with their average: once to evaluate, once more to go on."""
        kept = [weight.clone() for weight in self._weights]
        torch._foreach_copy_(self._weights, self.average)
        torch._foreach_copy_(self.average, kept)

    def tensors(self) -> dict[str, Tensor]:
        """Return the average by the parameters' names."""
        return dict(zip(self.names, self.average, strict=True))
