"""Metrics: how good the outputs are, gathered as running sums.

A metric turns a batch into a few sums (one small tensor, no synchronisation with a device) and,
at the end, the added sums into its value. So an epoch's metric needs no second pass, can be
interrupted and resumed, and does not depend on the size of the batches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from gradatim.core.registry import resolve
from gradatim.training import METRICS


class Metric(Protocol):
    """What a metric can do. Outputs and targets come as ``flat`` returns them."""

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the sums over each batch: ``S`` or, of several sums, ``S x sums``."""

    def value(self, sums: Sequence[float], samples: int) -> float:
        """Return the metric from the sums added over all batches."""


class Accuracy:
    """Share of the samples whose largest score is that of the right class.

    Where the targets are shares of classes (mix-up), the largest share counts as right.
    """

    def __init__(self, scale: float = 1.0) -> None:
        pass

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the number of right samples."""
        return (outputs.argmax(dim=-1) == targets).sum(dim=-1)

    def value(self, sums: Sequence[float], samples: int) -> float:
        """Return right / all."""
        return sums[0] / samples


class TopFive:
    """Share of the samples whose right class is among the five largest scores."""

    def __init__(self, scale: float = 1.0) -> None:
        pass

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the number of right samples."""
        best = outputs.topk(min(5, outputs.shape[-1]), dim=-1).indices
        return (best == targets[..., None]).any(dim=-1).sum(dim=-1)

    def value(self, sums: Sequence[float], samples: int) -> float:
        """Return right / all."""
        return sums[0] / samples


class BitsPerToken:
    """Bits it takes to write the right token down: the mean of -log2 of its probability.

    Two to this power is the perplexity: among so many equally likely tokens one could as well
    have guessed. The smaller, the better.
    """

    def __init__(self, scale: float = 1.0) -> None:
        pass

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of -ln of the probability of the right token."""
        chances = outputs.log_softmax(dim=-1).gather(-1, targets[..., None])
        return -chances.sum(dim=(-2, -1))

    def value(self, sums: Sequence[float], samples: int) -> float:
        """Return the mean in bits."""
        return sums[0] / samples / math.log(2)


class R2:
    """Coefficient of determination: 1 - sum (y - f)^2 / sum (y - mean y)^2.

    0 is as good as answering the mean of these very samples; targets that are all equal give
    1 when every answer is exact, otherwise 0 (as scikit-learn's ``r2_score``).
    """

    def __init__(self, scale: float = 1.0) -> None:
        pass

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return sum (y - f)^2, sum y, sum y^2."""
        squares = (outputs - targets).square()
        return torch.stack([part.sum(dim=-1) for part in (squares, targets, targets.square())], -1)

    def value(self, sums: Sequence[float], samples: int) -> float:
        """Return the coefficient."""
        residual, total, squares = sums
        spread = squares - total * total / samples
        if spread <= 1e-14 * max(squares, 1e-300):
            return 1.0 if residual == 0 else 0.0
        return 1 - residual / spread


class MeanAbsoluteError:
    """Mean of |y - f|, times ``scale``: the standard deviation, to be in the target's unit."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return sum |y - f|."""
        return (outputs - targets).abs().sum(dim=-1)

    def value(self, sums: Sequence[float], samples: int) -> float:
        """Return the mean in the target's unit."""
        return self.scale * sums[0] / samples


class RootMeanSquaredError:
    """Root of the mean of (y - f)^2, times ``scale``, as ``MeanAbsoluteError``."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return sum (y - f)^2."""
        return (outputs - targets).square().sum(dim=-1)

    def value(self, sums: Sequence[float], samples: int) -> float:
        """Return the root in the target's unit."""
        return self.scale * math.sqrt(sums[0] / samples)


def flat(outputs: Tensor, targets: Tensor, *, classes: bool) -> tuple[Tensor, Tensor]:
    """Return ``S x N x K`` scores with ``S x N`` classes, or ``S x N`` values with as many targets.

    Args:
        outputs: of S batches of equal shape, ``S x B x K``, ``S x B x T x K``, ``S x B``.
        targets: of these batches; shares of classes become the class with the largest share.
        classes: whether classes are told apart. Values become double precision where the device
            has it: the spread of large targets needs it.
    """
    if classes:
        if targets.is_floating_point():
            targets = targets.argmax(dim=-1)
        return outputs.flatten(1, -2), targets.flatten(1)
    outputs, targets = outputs.flatten(1), targets.flatten(1)
    if outputs.device.type == "mps":
        return outputs, targets
    return outputs.double(), targets.double()


def build(names: Sequence[str], scale: float = 1.0) -> dict[str, Metric]:
    """Return the metrics of these names; ``scale`` brings errors back to the target's unit."""
    return {name: resolve(METRICS, name, "metric")(scale) for name in names}


class Sums:
    """The sums of one pass over samples: of the loss, and of some metrics.

    Adding the batches one after the other in double precision keeps the order, so a pass that is
    interrupted, stored with ``to_dict`` and continued ends at the very same numbers.

    Args:
        metrics: by name.
        classes: whether classes are told apart.
    """

    def __init__(self, metrics: Mapping[str, Metric], *, classes: bool) -> None:
        self.metrics = metrics
        self.classes = classes
        self.clear()

    def clear(self) -> None:
        """Start a new pass."""
        self.samples = 0
        self.loss = 0.0
        self.parts: dict[str, list[float]] = {}

    def add(self, losses: Sequence[float], outputs: Tensor, targets: Tensor) -> None:
        """Add S batches of equal shape: their mean losses, outputs and targets, ``S x B ...``."""
        outputs, targets = flat(outputs, targets, classes=self.classes)
        samples = targets.shape[1]
        for loss in losses:
            self.samples += samples
            self.loss += loss * samples
        for name, metric in self.metrics.items():
            for sums in metric.sums(outputs, targets).reshape(len(losses), -1).tolist():
                old = self.parts.get(name, [0.0] * len(sums))
                self.parts[name] = [a + b for a, b in zip(old, sums, strict=True)]

    def values(self) -> dict[str, float]:
        """Return the mean loss and the metrics by name; nothing when no sample was seen."""
        if not self.samples:
            return {}
        return {"loss": self.loss / self.samples} | {
            name: metric.value(self.parts[name], self.samples)
            for name, metric in self.metrics.items()
            if name in self.parts
        }

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON; floats survive exactly."""
        return {"samples": self.samples, "loss": self.loss, "parts": self.parts}

    def restore(self, values: Mapping[str, object]) -> None:
        """Go on from what ``to_dict`` wrote."""
        self.samples = int(values["samples"])  # type: ignore[call-overload]
        self.loss = float(values["loss"])  # type: ignore[arg-type]
        self.parts = {name: [*sums] for name, sums in values["parts"].items()}  # type: ignore[attr-defined]
