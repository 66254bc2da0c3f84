"""Evaluation: the outputs of a model for samples it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradatim.core.recipe import MachineRecipe
from gradatim.core.registry import resolve
from gradatim.core.spec import Spec
from gradatim.errors import UsageError
from gradatim.training import LOSSES, clock, metrics
from gradatim.training.carrying import Carrying, carries
from gradatim.training.defaults import Task
from gradatim.training.losses import Loss
from gradatim.training.machine import Place, at_work
from gradatim.training.micro_batches import is_shortage, shortage


@dataclass(frozen=True)
class Evaluation:
    """What a model answers for N samples.

    Attributes:
        scores: ``N x K`` float32: probabilities of the K classes, or standardised values
            (regression, K = 1); for the task ``next-token`` the logarithm, in nats, of the
            probability of each right token, ``N x steps``.
        targets: ``N``: class indices (int64) or standardised values (float32); tokens
            ``N x steps``.
        indices: ``N`` int64: which samples of the data set these are; counted where the batches
            do not say.
        loss: mean over the samples, without label smoothing and class weights.
        metrics: by name; ``mae`` and ``rmse`` in the target's unit.
        seconds: time taken.
    """

    scores: np.ndarray
    targets: np.ndarray
    indices: np.ndarray
    loss: float
    metrics: dict[str, float]
    seconds: float


METRICS_OF: dict[Task, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "next-token": ("bits-per-character", "accuracy"),
    "regression": ("r2", "mae"),
}


def evaluate(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    spec: Spec | None = None,
    task: Task | None = None,
    loss: str | Loss | None = None,
    machine: MachineRecipe | None = None,
    unscale: tuple[float, float] = (0.0, 1.0),
) -> Evaluation:
    """Run a model over batches, in evaluation mode and without gradients.

    Args:
        model: answers ``B x K`` raw scores.
        batches: yield ``(inputs, targets)`` or ``(inputs, targets, indices)``.
        spec: of the data; says the task.
        task: where there is no spec; taken from the type of the targets when neither is given.
        loss: name in ``LOSSES`` or a function; that of the task when None.
        machine: device, precision, layout and threads, resolved; where the model is, in fp32,
            when None.
        unscale: mean and standard deviation of the targets in their own unit (regression).

    Raises:
        UsageError: there is no batch.
    """
    began = clock.now()
    carry = carries(batches, model)
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        raise UsageError("there is no batch to evaluate")
    if machine is None:
        machine = MachineRecipe(device=str(next(model.parameters(), torch.empty(0)).device))
    place = Place.of(machine, model)
    task = task or (spec.task if spec is not None else task_of(place.bring(first)[1]))
    names = (*METRICS_OF[task], *(["rmse"] if task == "regression" else []))
    if spec is not None and spec.outputs >= 10 and task == "classification":
        names = (*names, "top5")
    sums = metrics.Sums(metrics.build(names, unscale[1]), classes=task != "regression")
    criterion = loss_without_training_terms(loss, task)
    scores, targets, indices = [], [], []
    with at_work(place, machine.threads), place.settled(model):
        for outputs, target, index in _outputs(model, place, _chain(first, batches), carry):
            add(sums, criterion, outputs, target)
            answers = as_answers(outputs, task, target)
            scores.append(answers.cpu())
            targets.append(target.cpu())
            if index is not None:
                indices.append(torch.as_tensor(index).cpu())
    values = sums.values()
    counted = np.arange(sums.samples, dtype=np.int64)
    return Evaluation(
        scores=torch.cat(scores).numpy(),
        targets=torch.cat(targets).numpy(),
        indices=torch.cat(indices).numpy() if indices else counted,
        loss=values.pop("loss"),
        metrics=values,
        seconds=clock.now() - began,
    )


def measure(
    model: nn.Module,
    batches: Iterable[Any],
    place: Place,
    sums: metrics.Sums,
    criterion: Loss,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, float] | None:
    """Return loss and metrics of one pass without keeping the outputs; None when stopped."""
    sums.clear()
    for outputs, targets, _ in _outputs(model, place, batches, carries(batches, model)):
        add(sums, criterion, outputs, targets)
        if stopped():
            return None
    return sums.values()


def add(sums: metrics.Sums, criterion: Loss, outputs: Tensor, targets: Tensor) -> None:
    """Add one batch to the sums."""
    loss = criterion(outputs, targets)
    sums.add([loss.item()], outputs[None], targets[None])


def loss_without_training_terms(loss: str | Loss | None, task: Task) -> Loss:
    """Return the plain loss, the mean over a batch without smoothing and class weights."""
    if callable(loss):
        return loss
    name = loss or ("squared-error" if task == "regression" else "cross-entropy")
    plain: Loss = resolve(LOSSES, name, "loss")
    return plain


def task_of(targets: Tensor) -> Task:
    """Return the task that the type of the targets suggests."""
    return "regression" if targets.is_floating_point() else "classification"


def as_answers(outputs: Tensor, task: Task, targets: Tensor | None = None) -> Tensor:
    """Return what is shown to people: probabilities for scores of classes, values as they are.

    Of the next token: the log probability of the right one, since all of them together would take
    the size of the vocabulary as much memory as the text.
    """
    if task == "next-token" and targets is not None:
        return outputs.log_softmax(dim=-1).gather(-1, targets[..., None])[..., 0]
    if task != "regression":
        return outputs.softmax(dim=-1)
    return outputs[:, None] if outputs.ndim == 1 else outputs


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode, and give every module its own mode back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _outputs(
    model: nn.Module, place: Place, batches: Iterable[Any], carry: bool = False
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield float32 outputs, targets and indices (None where unknown) of every batch.

    With ``carry`` each batch goes on where the last ended. Where the memory does not suffice for a
    batch, it and all others are gone through in parts.
    """
    answer = Carrying(model) if carry else model
    parts = 1
    with evaluation_mode(model):
        for batch in batches:
            inputs, targets = place.bring(batch)
            outputs, parts = _answered(answer, inputs, place, parts, 1 if carry else len(inputs))
            yield outputs, targets, batch[2] if len(batch) > 2 else None


def _answered(
    answer: Callable[[Tensor], Tensor], inputs: Tensor, place: Place, parts: int, most: int
) -> tuple[Tensor, int]:
    """Return the outputs of a batch, and in how many parts it went through: ``most`` at most."""
    while True:
        parts = min(parts, most)
        try:
            with torch.inference_mode(), place.autocast():
                some = [answer(part) for part in inputs.tensor_split(parts)]
                outputs = some[0] if parts == 1 else torch.cat(some)
            return outputs.to(place.loss_dtype), parts
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
            if parts == most:
                raise shortage(len(inputs), error) from error
        parts *= 2  # here, where the error holds no tensor any more


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
