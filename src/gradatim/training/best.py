"""Best: the weights of the epoch with the best validation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gradatim.core.measures import rank
from gradatim.training.checkpoint import model_tensors


class Best:
    """Keeps a copy of the best weights, parameters and buffers.

    Better is a better metric, or the same metric with a smaller loss.

    Args:
        metric: name of the validation metric that decides.

    Attributes:
        epoch: of the best validation, counted from 1; 0 before the first.
        values: its loss and metrics.
        waited: epochs since then.
        tensors: the weights by name; empty before the first.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.epoch = 0
        self.values: dict[str, float] = {}
        self.waited = 0
        self.tensors: dict[str, Tensor] = {}

    def take(self, epoch: int, values: Mapping[str, float], model: nn.Module) -> bool:
        """Look at a validation, and keep the weights if it is the best; return whether it is."""
        if not self._better(values):
            self.waited += 1
            return False
        self.epoch, self.values, self.waited = epoch, dict(values), 0
        weights = model_tensors(model)
        with torch.no_grad():
            if not self.tensors:
                self.tensors = {name: value.clone() for name, value in weights.items()}
            for name, value in weights.items():
                self.tensors[name].copy_(value)
        return True

    def _better(self, values: Mapping[str, float]) -> bool:
        new = rank(self.metric, values[self.metric]), -values["loss"]
        if not all(map(math.isfinite, new)):  # weights that are no numbers are right by chance
            return False
        return not self.values or new > (
            rank(self.metric, self.values[self.metric]),
            -self.values["loss"],
        )

    def give(self, model: nn.Module) -> None:
        """Put the best weights, if there are any, into the model."""
        with torch.no_grad():
            for name, value in model_tensors(model).items():
                if name in self.tensors:
                    value.copy_(self.tensors[name])
