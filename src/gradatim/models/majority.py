"""The baseline that never looks at its input: the class shares, or the mean of the target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from gradatim.core.spec import Kind, Spec, Task
from gradatim.models.continuing import continue_tokens
from gradatim.models.network import Network


class Majority(Network):
    """Answers the same scores for every input: the logarithms of the class shares, or the mean.

    Its accuracy is the share of the largest class, its cross-entropy the entropy of the labels,
    its squared error the variance of the target: what any model has to beat.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("classification", "regression", "next-token")
    kinds: ClassVar[tuple[Kind, ...]] = ("image", "vector", "sequence", "text")
    full_input = (3, 32, 32)
    full_outputs = 10
    scores: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.classes = 0 if spec.task == "regression" else spec.outputs
        self.every_step = spec.task == "next-token"
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

        For texts the tokens are the classes. A class without a sample counts as half a sample, so
        that its score is finite.

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

    def continue_from(self, tokens: Tensor, state: None) -> tuple[Tensor, None]:
        """Return the scores after every token; nothing is remembered."""
        return self(tokens), None

    def sample(
        self, start: Sequence[int], count: int, *, temperature: float = 1.0, seed: int = 0
    ) -> list[int]:
        """Continue a text, see ``continuing.continue_tokens``."""
        return continue_tokens(
            self, start, count, temperature=temperature, seed=seed, place=self.scores.device
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the same scores for every input, ``B x outputs``; of a text, after each token."""
        if self.every_step:
            return self.scores.expand(*inputs.shape, -1)
        return self.scores.expand(len(inputs), -1)
