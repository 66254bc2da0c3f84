"""Tuning: what of a network is trained when, and how fast, where it starts from weights.

The body is cut into blocks, from the input on. Some may stay as they are; the others learn more
slowly the nearer they are to the input. In a first share of the steps only the output layer is
trained, so that its first, large gradients do not spoil the body. What is not trained is in
evaluation mode: its batch normalisation keeps its statistics, its dropout is off. The batch
normalisation of what is trained may keep its statistics, too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gradatim.core.recipe import StartRecipe
from gradatim.errors import ValueRefusedError
from gradatim.models.head import blocks_of


class Tuning:
    """Decides about every parameter of a network that starts from weights.

    Args:
        model: holds the weights it starts from, in its place.
        start: resolved; ``layer`` names the output layer.

    Attributes:
        head_only: whether only the output layer is being trained.

    Raises:
        ValueRefusedError: the network has no such block, or a value is out of range.
    """

    def __init__(self, model: nn.Module, start: StartRecipe) -> None:
        self._model = model
        self._share = float(start.head_share or 0.0)
        self._pull = float(start.pull or 0.0)
        self._kept = start.normalisation == "kept"
        layer = str(start.layer)
        check(start)
        blocks = blocks_of(model, layer)
        frozen = frozen_blocks([name for name, _ in blocks], start.frozen)
        self._still = [p for _, parameters in blocks[:frozen] for p in parameters]
        body = [parameters for _, parameters in blocks[frozen:]]
        lowest = float(start.lower_rate if start.lower_rate is not None else 1.0)
        self._scales = [lowest ** ((len(blocks) - i) / len(blocks)) for i in range(len(blocks))]
        self._scales = self._scales[frozen:]
        head = list(model.get_submodule(layer).parameters())
        others = {id(p) for parameters in (*body, head, self._still) for p in parameters}
        rest = [p for p in model.parameters() if p.requires_grad and id(p) not in others]
        self._body = [*body, rest] if rest else body  # such as further output layers
        self._scales = [*self._scales, 1.0] if rest else self._scales
        self._head = [p for p in head if p.requires_grad]
        self._body = [[p for p in parameters if p.requires_grad] for parameters in self._body]
        self._began = [(p, p.requires_grad) for p in model.parameters()]
        self._modes = [(module, module.training) for module in model.modules()]
        self._origin: list[tuple[nn.Parameter, Tensor]] = []
        if self._pull:
            moved = [p for parameters in self._body for p in parameters]
            self._origin = [(p, p.detach().clone()) for p in moved]
        for parameter in self._still:
            parameter.requires_grad_(False)
        self.head_only = False
        self._settle()

    def progress(self, progress: float) -> float:
        """Return how far the schedule of the learning rate is.

        It is gone through twice: for the output layer alone, and for all.
        """
        share = self._share
        if progress < share:
            return progress / share
        return (progress - share) / (1 - share) if share < 1 else progress

    def enter(self, progress: float) -> bool:
        """Train the output layer alone, or all; return whether that has just changed."""
        head_only = progress < self._share
        if head_only == self.head_only:
            return False
        self.head_only = head_only
        for parameters in self._body:
            for parameter in parameters:
                parameter.requires_grad_(not head_only)
                parameter.grad = None
        self._settle()
        return True

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return the groups of an optimiser: ``scale`` multiplies the rate of a group.

        Biases and normalisations do not decay. With a pull towards the starting point, nothing of
        the body decays towards zero.
        """
        body_decay = 0.0 if self._pull else weight_decay
        owned = [(p, s, body_decay) for p, s in zip(self._body, self._scales, strict=True)]
        owned.append((self._head, 1.0, weight_decay))
        groups = []
        for parameters, scale, decay in owned:
            for part, strength in (
                ([p for p in parameters if p.ndim > 1], decay),
                ([p for p in parameters if p.ndim <= 1], 0.0),
            ):
                if part:
                    groups.append({"params": part, "weight_decay": strength, "scale": scale})
        return groups

    def pull(self) -> None:
        """Add to the gradients what pulls the body towards where it started.

        L2-SP (Li, Grandvalet and Davoine 2018): the gradient of ``pull / 2 |w - w0|^2``.
        """
        if not self._pull or self.head_only:
            return
        with torch.no_grad():
            for parameter, origin in self._origin:
                if parameter.grad is not None:
                    parameter.grad.add_(parameter - origin, alpha=self._pull)

    def release(self) -> None:
        """Make every parameter trainable that was, and give the modules their modes back."""
        for parameter, trained in self._began:
            parameter.requires_grad_(trained)
        for module, mode in self._modes:
            module.training = mode

    def _settle(self) -> None:
        """Put what is not trained into evaluation mode, all else into the mode it had.

        A part without parameters, such as dropout, goes with the part it is in.
        """
        modes = dict(self._modes)

        def visit(module: nn.Module, trained: bool) -> None:
            own = list(module.parameters())
            trained = any(p.requires_grad for p in own) if own else trained
            still = not trained or (self._kept and isinstance(module, _BatchNorm))
            module.training = modes.get(module, module.training) and not still
            for child in module.children():
                visit(child, trained)

        visit(self._model, True)


def check(start: StartRecipe) -> None:
    """Refuse values out of range.

    Raises:
        ValueRefusedError: with the key, the value and the range.
    """
    ranges = (
        ("head_share", start.head_share, 0.0, 1.0, "[0, 1]"),
        ("lower_rate", start.lower_rate, 0.0, 1.0, "[0, 1]"),
        ("pull", start.pull, 0.0, float("inf"), "0 or more"),
        ("views", start.views, 1, 2, "1 or 2"),
        ("samples", start.samples, 1, float("inf"), "1 or more"),
    )
    for key, value, least, most, allowed in ranges:
        if value is not None and not least <= value <= most:
            raise ValueRefusedError(f"start.{key} is out of range", given=value, allowed=allowed)


def frozen_blocks(names: list[str], frozen: str | None) -> int:
    """Return how many blocks stay as they are, counted from the input.

    Args:
        names: of the blocks.
        frozen: a share of them, or the name of the last that stays (``layer2`` stands for all of
            its blocks).

    Raises:
        ValueRefusedError: no block has this name, or the share is none.
    """
    if frozen is None:
        return 0
    try:
        share = float(frozen)
    except ValueError:
        found = [i for i, name in enumerate(names) if f"{name}.".startswith(f"{frozen}.")]
        if not found:
            raise ValueRefusedError(
                "start.frozen is no share, and the network has no block of this name",
                given=frozen,
                allowed=names,
            ) from None
        return found[-1] + 1
    if not 0 <= share <= 1:
        raise ValueRefusedError("start.frozen is out of range", given=frozen, allowed="[0, 1]")
    return round(share * len(names))
