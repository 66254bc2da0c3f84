"""Cross-entropy in place of squared or absolute errors, where the targets mark one class each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gradatim.treatments.losses import REGRESSION

SMALLEST = 1e-7
"""Probabilities are kept above this: the logarithm of zero has no gradient to follow."""


def instead(input: Tensor, target: Tensor) -> Tensor | None:
    """Return the cross-entropy of scores or probabilities, N x K; None for other targets.

    Args:
        input: what the model gave; rows of probabilities are taken as such, else it is scores.
        target: zeros, and a one for the class of each sample.
    """
    if target.dim() != 2 or target.shape != input.shape or target.shape[1] < 2:
        return None
    marks = bool(((target == 0) | (target == 1)).all()) and bool((target.sum(1) == 1).all())
    if not marks:
        return None
    given = input.detach()
    sums = bool((given >= 0).all()) and bool(((given.sum(1) - 1).abs() < 1e-3).all())
    if sums:
        return -(target * input.clamp_min(SMALLEST).log()).sum(1).mean()
    return functional.cross_entropy(input, target.to(input.dtype))


def train_by() -> None:
    """Train by cross-entropy wherever a squared or absolute error of classes is trained by."""

    def wrap(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def loss(input: Tensor, target: Tensor, *arguments: Any, **options: Any) -> Tensor:
            if torch.is_grad_enabled() and input.requires_grad:
                changed = instead(input, target)
                if changed is not None:
                    return changed
            return original(input, target, *arguments, **options)

        return loss

    for name in REGRESSION:
        setattr(functional, name, wrap(getattr(functional, name)))
