"""Scripts that change their weights without an optimiser of PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from gradatim.probes.measure import Numbers
from gradatim.probes.structure import Structure, describe_parameter
from gradatim.probes.updates import Owner


class ByHand(Owner):
    """The parameters of such a script: the leaves that its first loss reached.

    A step is seen when the next backward pass begins: the weights are others than before.
    """

    def __init__(self, parameters: list[Tensor]) -> None:
        self._parameters = parameters
        self.number = -1
        self.file, self.line = None, None
        self.described = -1
        self.steps = 0
        self.left = None
        self.reset = self.grew = False
        self.learning_rate = None
        self.returned: dict[int, Tensor] = {}  # gradients of ``torch.autograd.grad``, by id()
        self._copies: list[Tensor] = []

    def reference(self) -> None:  # type: ignore[override]
        """There is no optimiser."""
        return

    def parameters(self) -> list[Tensor]:
        """Return the leaves that the first loss reached."""
        return self._parameters

    def gradient(self, item: Tensor) -> Tensor | None:
        """Return the gradient of a parameter, whether it was left in ``grad`` or returned."""
        return self.returned.get(id(item), item.grad)

    @property
    def returns_all(self) -> bool:
        """Say whether gradients of all parameters were returned: they are to be followed."""
        return all(id(item) in self.returned for item in self._parameters)

    def remember(self) -> None:
        """Keep a few values of a few parameters, and the gradients as the pass left them."""
        self.left = self.witnesses()
        self._copies = [item.detach().flatten()[:64].clone() for item in self._parameters[:4]]

    def stepped(self) -> bool:
        """Say whether a step was made: weights have changed, or there was nothing to follow."""
        pairs = zip(self._parameters, self._copies, strict=False)
        if any(not torch.equal(item.detach().flatten()[:64], old) for item, old in pairs):
            return True
        return self.left is not None and not any(self.left)

    def describe(self, structure: Structure) -> Numbers | None:
        """Return the parameters, once."""
        if self.described >= 0:
            return None
        self.described = len(self._parameters)
        owned = [
            {
                "name": structure.own(item, f"parameter {index}"),
                **describe_parameter(item),
            }
            for index, item in enumerate(self._parameters)
        ]
        return {"optimiser": -1, "kind": "by hand", "groups": [], "parameters": owned}
