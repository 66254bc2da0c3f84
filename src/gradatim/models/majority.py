"""The baseline that never looks at its input: the class shares, or the mean of the target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradatim.core.spec import Kind, Spec
from gradatim.models.network import Network


class Majority(Network):
    """Answers the same scores for every input: the logarithms of the class shares, or the mean.

    Its accuracy is the share of the largest class, its cross-entropy the entropy of the labels,
    its squared error the variance of the target: what any model has to beat.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("image", "vector", "sequence", "text")
    full_input = (3, 32, 32)
    full_outputs = 10
    scores: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.classes = spec.outputs if spec.task == "classification" else 0
        start = torch.zeros(spec.outputs)
        if self.classes:
            start.fill_(1.0 / self.classes).log_()
        self.register_buffer("scores", start)

    @property
    def solved(self) -> bool:
        """True: one pass over the targets."""
        return True

    def solve(self, batches: Iterable[Any]) -> dict[str, float]:
        """Count the targets of the batches ``(inputs, targets, …)``.

        A class without a sample counts as half a sample, so that its score is finite.

        Returns:
            ``samples`` and, for classes, ``largest_share``; for regression, ``mean``.
        """
        targets = torch.cat([torch.as_tensor(batch[1]).reshape(-1) for batch in batches])
        if self.classes:
            counts = torch.bincount(targets, minlength=self.classes).double()
            counts = counts.clamp_min(0.5)
            shares = counts / counts.sum()
            self.scores.copy_(shares.log())
            return {"samples": float(len(targets)), "largest_share": float(shares.max())}
        mean = targets.double().mean()
        self.scores.fill_(float(mean))
        return {"samples": float(len(targets)), "mean": float(mean)}

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the same scores for every input, ``B x outputs``."""
        return self.scores.expand(len(inputs), -1)
