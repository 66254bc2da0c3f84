"""Losses: how wrong the scores are, in nats for cross-entropy, as the mean over the samples.

Every function takes ``outputs`` and ``targets`` as the loop has them and ``reduction`` ``mean`` or
``none`` (one loss a sample). Classes are the last axis of the scores; a sequence of scores
``B x T x K`` with targets ``B x T`` counts every position as a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gradatim.core.recipe import TrainingRecipe
from gradatim.core.registry import resolve
from gradatim.errors import ValueRefusedError
from gradatim.training import LOSSES

Loss = Callable[..., Tensor]


def cross_entropy(
    outputs: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-log of the softmax probability of the right class, in nats.

    Args:
        outputs: scores ``B x K``.
        targets: class indices ``B``, or shares ``B x K`` as mix-up makes them.
        label_smoothing: share of the target spread over all K classes (Szegedy et al. 2016).
        class_weights: one weight a class ``K``; the mean is divided by the sum of the samples'
            weights (for shares: by the number of samples), as PyTorch does.
        reduction: ``mean``, or ``none`` for one loss a sample.

    Raises:
        ValueRefusedError: a target is no class.
    """
    outputs, targets = _scores(outputs, targets)
    try:
        return functional.cross_entropy(
            outputs,
            targets,
            weight=class_weights,
            label_smoothing=label_smoothing,
            reduction=reduction,
        )
    except IndexError as error:
        raise _no_such_class(outputs, targets) from error


def hinge(
    outputs: Tensor,
    targets: Tensor,
    *,
    class_weights: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Multi-class hinge of Weston and Watkins (1999): sum over j != y of max(0, s_j - s_y + 1).

    The sum is not divided by the number of classes (as in CS231n; PyTorch's
    ``multi_margin_loss`` divides).

    Raises:
        ValueRefusedError: a target is no class, or the targets are shares of classes.
    """
    outputs, targets = _scores(outputs, targets)
    if targets.is_floating_point():
        raise ValueRefusedError(
            "the hinge loss needs one class per sample, the targets are shares of classes",
            next_step="use training.loss=cross-entropy, or switch mix-up and cut-mix off",
        )
    try:
        right = outputs.gather(1, targets[:, None])
    except RuntimeError as error:
        raise _no_such_class(outputs, targets) from error
    # The right class itself always adds max(0, 0 + 1) = 1.
    losses = (outputs - right + 1).clamp(min=0).sum(dim=1) - 1
    if class_weights is None:
        return losses.mean() if reduction == "mean" else losses
    weights = class_weights[targets]
    losses = losses * weights
    return losses.sum() / weights.sum() if reduction == "mean" else losses


def squared_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """(output - target)^2, in standardised units where the targets are standardised."""
    losses = (_values(outputs, targets) - targets).square()
    return losses.mean() if reduction == "mean" else _by_sample(losses)


def absolute_error(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """|output - target|, in standardised units where the targets are standardised."""
    losses = (_values(outputs, targets) - targets).abs()
    return losses.mean() if reduction == "mean" else _by_sample(losses)


def build(recipe: TrainingRecipe, class_weights: Tensor | None = None) -> Loss:
    """Return the loss of a resolved recipe, as it is descended (smoothed, weighted)."""
    options: dict[str, Any] = {}
    if recipe.label_smoothing:
        options["label_smoothing"] = recipe.label_smoothing
    if class_weights is not None:
        options["class_weights"] = class_weights
    loss: Loss = resolve(LOSSES, str(recipe.loss), "loss")
    return partial(loss, **options) if options else loss


def balanced_weights(counts: Tensor) -> Tensor:
    """Return one weight a class, N / (K n_k), so that every class weighs the same in the sum.

    The formula is that of scikit-learn's ``class_weight="balanced"``. A class without a sample
    gets the weight 0.
    """
    counts = counts.to(torch.float32)
    weights = counts.sum() / (len(counts) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, torch.zeros_like(weights))


def _scores(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores ``N x K`` with class indices ``N`` or shares ``N x K``."""
    if outputs.ndim == 3 and targets.ndim == 2 and not targets.is_floating_point():
        outputs, targets = outputs.flatten(0, 1), targets.flatten()
    shares = targets.is_floating_point()
    fits = outputs.shape == targets.shape if shares else outputs.shape[:-1] == targets.shape
    if outputs.ndim != 2 or not fits:
        raise ValueRefusedError(
            "the model's scores do not fit the targets",
            given=f"scores {_shape(outputs)}, targets {_shape(targets)}",
            allowed="scores B x K with class indices B, or shares B x K",
            next_step="let the model answer one score a class for every sample",
        )
    return outputs, targets


def _no_such_class(outputs: Tensor, targets: Tensor) -> ValueRefusedError:
    return ValueRefusedError(
        f"the model answers {outputs.shape[1]} scores, but a target is no such class",
        given=f"targets from {int(targets.min())} to {int(targets.max())}",
        allowed=f"0 to {outputs.shape[1] - 1}",
        next_step="count the classes from 0, and let the model answer one score for each",
    )


def _values(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return outputs of the targets' shape: ``B x 1`` scores answer ``B`` targets.

    Without this check ``B x 1`` minus ``B`` would silently become ``B x B``.
    """
    if outputs.shape == targets.shape:
        return outputs
    if outputs.shape == (*targets.shape, 1):
        return outputs.squeeze(-1)
    raise ValueRefusedError(
        "the model's values do not fit the targets",
        given=f"values {_shape(outputs)}, targets {_shape(targets)}",
        allowed="values B x 1 or of the targets' shape",
        next_step="let the model answer one value for every target",
    )


def _by_sample(losses: Tensor) -> Tensor:
    return losses if losses.ndim == 1 else losses.flatten(1).mean(dim=1)


def _shape(tensor: Tensor) -> str:
    return " x ".join(str(size) for size in tensor.shape) or "a single number"
