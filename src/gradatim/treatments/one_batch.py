"""One batch, again and again: what a network cannot learn by heart it cannot learn at all."""

from __future__ import annotations

from torch import Tensor, nn

from gradatim.treatments.losses import change_targets
from gradatim.treatments.outermost import change_inputs


def repeat() -> None:
    """Give every training pass the inputs and targets of the first one."""
    inputs: dict[int, Tensor] = {}
    targets: list[Tensor] = []

    def first_input(module: nn.Module, x: Tensor) -> Tensor:
        if not module.training or x.requires_grad:
            return x
        kept = inputs.setdefault(id(module), x.clone())
        return kept if kept.shape == x.shape else x

    def first_target(target: Tensor) -> Tensor:
        if not targets:
            targets.append(target.detach().clone())
        return targets[0] if targets[0].shape == target.shape else target

    change_inputs(first_input)
    change_targets(first_target)
