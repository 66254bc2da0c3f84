"""Learner: a model with all that one step of its training needs."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from gradatim.core.recipe import Recipe
from gradatim.errors import UsageError
from gradatim.training import micro_batches, optimisers
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
        parts: in how many micro-batches each step is gone through: 1, and twice as many each time
            the memory did not suffice.
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
        self.parts = 1
        self._compiled: Any = None
        if recipe.machine.compile:
            self._compiled = torch.compile(model, dynamic=False)
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
        """Take one step at a learning rate; return loss (without penalty) and outputs, detached.

        Raises:
            MemoryShortageError: the smallest parts the batch can be cut into do not fit.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        loss, outputs = self._gradients(inputs, targets)
        if self.tuning is not None:
            self.tuning.pull()
        if self._clip:
            clip_grad_norm_(self._parameters, self._clip)
        self.optimiser.step()
        return loss, outputs

    def _gradients(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients of a batch, in as many parts as the memory asks for."""
        while True:
            self.optimiser.zero_grad()
            try:
                if self.parts == 1:
                    return self._add_gradients(inputs, targets)
                return self._gradients_of_parts(inputs, targets)
            except (RuntimeError, MemoryError) as error:
                if not micro_batches.is_shortage(error):
                    raise
                whole = self.carrying is not None  # the state belongs to all rows at once
                if whole or not micro_batches.can_be_halved(len(targets), self.parts):
                    raise micro_batches.shortage(len(targets), error) from error
            self.parts *= 2  # here, where the error holds no tensor any more

    def _gradients_of_parts(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Add up the gradients of the parts; return loss and outputs of the whole."""
        losses, outputs = [], []
        parts = min(self.parts, max(1, len(targets) // micro_batches.LEAST))
        for some, wanted, share in micro_batches.portions(inputs, targets, parts, self.criterion):
            loss, answered = self._add_gradients(some, wanted, share)
            losses.append(share * loss)
            outputs.append(answered)
        return torch.stack(losses).sum(), torch.cat(outputs)

    def _add_gradients(
        self, inputs: Tensor, targets: Tensor, share: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Add a share of the gradients of some samples; return loss and outputs, detached."""
        with self.place.autocast():
            outputs = self._answer(inputs)
        loss, outputs = self._loss(outputs, targets)
        objective = loss + self._l1 * self._penalty() if self._l1 else loss
        if share != 1.0:
            objective = share * objective
        objective.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), outputs.detach()

    def _answer(self, inputs: Tensor) -> Any:
        """Return what the model answers in training.

        Compiled, it takes whole batches only: each other shape would be compiled for itself.
        """
        if self.carrying is not None:
            return self.carrying(inputs)
        if self._compiled is None or len(inputs) != self.recipe.data.batch_size:
            return self.model(inputs)
        try:
            return self._compiled(inputs)
        except RuntimeError as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            raise UsageError(
                f"this model cannot be compiled here ({str(error).strip().partition(chr(10))[0]})",
                given=type(self.model).__name__,
                next_step="set machine.compile=false, or install a C++ compiler",
            ) from error

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
