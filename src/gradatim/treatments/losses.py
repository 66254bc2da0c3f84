"""What a loss compares with, changed before the loss sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

NAMES: tuple[str, ...] = (
    "cross_entropy",
    "nll_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)
REGRESSION = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
NAMES += REGRESSION


def change_targets(change: Callable[[Tensor], Tensor]) -> None:
    """Give every loss that is trained on changed targets; evaluations keep theirs.

    Args:
        change: the targets to what is put in their place, of the same shape.
    """

    def wrap(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def loss(input: Tensor, target: Tensor, *arguments: Any, **options: Any) -> Tensor:
            if torch.is_grad_enabled() and input.requires_grad:
                target = change(target)
            return original(input, target, *arguments, **options)

        return loss

    for name in NAMES:
        setattr(functional, name, wrap(getattr(functional, name)))
