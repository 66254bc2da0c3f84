"""Watching: how probes are attached to the loop without touching it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn
from torch.optim import Optimizer


class Watch(Protocol):
    """An observer of a run. It must change no bit: no random numbers, no writing to tensors."""

    def begin(self, model: nn.Module, optimiser: Optimizer) -> None:
        """Called once, before the first step of this process."""

    def step(self, step: int, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Called after every optimiser step (counted from 1); the gradients are still there."""

    def end(self) -> None:
        """Called once at the end, also after an error."""
