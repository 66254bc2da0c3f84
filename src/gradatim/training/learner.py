"""Learner: a model with all that one step of its training needs."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from gradatim.core.recipe import Recipe
from gradatim.errors import UsageError
from gradatim.training import optimisers
from gradatim.training.carrying import Carrying
from gradatim.training.evaluation import evaluation_mode
from gradatim.training.losses import Loss
from gradatim.training.machine import Place
from gradatim.training.tuning import Tuning


class Learner:
    """Takes steps: forward, loss, backward, update.

    Args:
        model: already in its place.
        criterion: the loss, as the mean over a batch.
        recipe: resolved.
        place: device, precision and layout.
        carry: whether each batch goes on where the last ended.

    Attributes:
        carrying: the state handed on from batch to batch; None where none is.
        tuning: what is trained when; None for a network that starts from nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Loss,
        recipe: Recipe,
        place: Place,
        *,
        carry: bool = False,
    ) -> None:
        self.model = model
        self.carrying = Carrying(model) if carry else None
        self.criterion = criterion
        self.recipe = recipe
        self.place = place
        self.tuning = Tuning(model, recipe.start) if tunes(recipe) else None
        groups = self.tuning.groups(recipe.training.weight_decay or 0.0) if self.tuning else None
        self.optimiser = optimisers.build(
            model, recipe.training, str(recipe.machine.update), groups
        )
        self._parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        self._weights = optimisers.weights_and_others(model)[0]
        self._l1 = recipe.training.l1 or 0.0
        self._clip = recipe.training.clip or 0.0

    def step(self, inputs: Tensor, targets: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Take one step at a learning rate; return loss (without penalty) and outputs, detached."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        with self.place.autocast():
            outputs = self.model(inputs) if self.carrying is None else self.carrying(inputs)
        loss, outputs = self._loss(outputs, targets)
        objective = loss + self._l1 * self._penalty() if self._l1 else loss
        self.optimiser.zero_grad()
        objective.backward()  # type: ignore[no-untyped-call]
        if self.tuning is not None:
            self.tuning.pull()
        if self._clip:
            clip_grad_norm_(self._parameters, self._clip)
        self.optimiser.step()
        return loss.detach(), outputs.detach()

    def _loss(self, outputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the scores it is measured by.

        A model with several heads answers them all in training, the main one first, and weighs
        their losses itself in ``training_loss(outputs, targets, loss)``, as GoogLeNet does.
        """
        kind = self.place.loss_dtype
        several: Any = getattr(self.model, "training_loss", None)
        if several is not None and isinstance(outputs, tuple):
            heads = tuple(head.to(kind) for head in outputs)
            return several(heads, targets, self.criterion), heads[0]
        scores = outputs.to(kind)
        return self.criterion(scores, targets), scores

    def _penalty(self) -> Tensor:
        """Return the sum of the absolute weights; biases and norms do not count."""
        return torch.stack([weight.abs().sum() for weight in self._weights]).sum()

    def evaluate(self, batch: Any) -> None:
        """Compute the outputs of a batch, for its time."""
        inputs, _ = self.place.bring(batch)
        with evaluation_mode(self.model), torch.inference_mode(), self.place.autocast():
            self.model(inputs)

    def copied(self) -> Learner:
        """Return a learner that can be tried out without touching this one.

        Raises:
            UsageError: the model cannot be copied.
        """
        try:
            model = copy.deepcopy(self.model)
        except (RuntimeError, TypeError, NotImplementedError) as error:
            raise UsageError(
                f"this module cannot be copied, so its speed cannot be tried out ({error})",
                given=type(self.model).__name__,
                next_step="give epochs instead of a budget",
            ) from error
        carry = self.carrying is not None
        return Learner(model, self.criterion, self.recipe, self.place, carry=carry)


def tunes(recipe: Recipe) -> bool:
    """Return whether a network that starts from weights is trained on."""
    return recipe.start.method == "fine-tuning" and recipe.start.layer is not None
