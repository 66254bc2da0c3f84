"""Nothing frozen: every parameter that an optimiser owns is trained."""

from __future__ import annotations

from typing import Any

from torch import nn

from gradatim.treatments.outermost import change_inputs


def undo() -> None:
    """Let every parameter of a model be trained, from its first pass on."""

    def change(module: nn.Module, x: Any) -> Any:
        if module.training:
            module.requires_grad_(True)
        return x

    change_inputs(change)
