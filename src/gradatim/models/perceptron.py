"""The perceptron: a neuron that fires or not, and the rule by which it learns (Rosenblatt 1958).

y = 1 where w x + b > 0, else 0. For each sample in turn, with its answer t: w += (t - y) x and
b += (t - y). Where some w and b separate the classes the rule stops making mistakes after finitely
many (Novikoff 1962); where none does, as for XOR, it never settles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gradatim.core.spec import Kind, Spec, Task
from gradatim.models.network import Network
from gradatim.models.options import Positive


class Perceptron(Network):
    """Perceptron: threshold neurons that learn from their mistakes, one against the rest.

    Two classes have one neuron, which fires for the second; more classes have a neuron each.

    Options:
        epochs: passes over the samples at most; it stops after one without a mistake.
        rate: how far a mistake moves the weights. From weights of 0 it changes their length only.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    kinds: ClassVar[tuple[Kind, ...]] = ("image", "vector")
    full_input = (1, 28, 28)
    full_outputs = 10

    def __init__(self, spec: Spec, *, epochs: Positive = 50, rate: float = 1.0) -> None:
        super().__init__()
        self.epochs, self.rate = epochs, rate
        self.flatten = nn.Flatten()
        self.neurons = nn.Linear(spec.size, 1 if spec.outputs == 2 else spec.outputs)
        nn.init.zeros_(self.neurons.weight)
        nn.init.zeros_(self.neurons.bias)

    @property
    def solved(self) -> bool:
        """True: learnt by its own rule, not by descent (the threshold has no slope)."""
        return True

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the weighted sums, ``B x classes``; of two, the first's is minus the second's."""
        sums: Tensor = self.neurons(self.flatten(inputs))
        return torch.cat([-sums, sums], dim=1) if sums.shape[1] == 1 else sums

    def fires(self, inputs: Tensor) -> Tensor:
        """Return 1 for each neuron that fires, else 0: ``B x neurons``."""
        sums: Tensor = self.neurons(self.flatten(inputs))
        return (sums > 0).long()

    @torch.no_grad()
    def solve(self, batches: Iterable[Any]) -> dict[str, float]:
        """Learn from the batches ``(inputs, targets, …)``, sample by sample in their order.

        Returns:
            ``samples``, ``epochs`` taken, and ``mistakes`` of neurons in the first and the last.
        """
        pairs = [(torch.as_tensor(batch[0]), torch.as_tensor(batch[1])) for batch in batches]
        x_ND = torch.cat([self.flatten(inputs).float() for inputs, _ in pairs])
        labels_N = torch.cat([targets.reshape(-1) for _, targets in pairs])
        neurons = self.neurons.out_features
        wanted_NK = labels_N[:, None] == (torch.arange(neurons) if neurons > 1 else 1)
        weight, bias = self.neurons.weight, self.neurons.bias
        history: list[int] = []
        for _ in range(self.epochs):
            mistakes = 0
            for x, wanted in zip(x_ND, wanted_NK.float(), strict=True):
                error = wanted - (weight @ x + bias > 0).float()
                wrong = int(error.abs().sum())
                if wrong:
                    weight.add_(torch.outer(error, x), alpha=self.rate)
                    bias.add_(error, alpha=self.rate)
                    mistakes += wrong
            history.append(mistakes)
            if not mistakes:
                break
        return {
            "samples": float(len(x_ND)),
            "epochs": float(len(history)),
            "first_mistakes": float(history[0]),
            "last_mistakes": float(history[-1]),
        }
