"""What goes into a model, changed before the model sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Change = Callable[[nn.Module, Tensor], Tensor]


def change_inputs(change: Change) -> None:
    """Give every outermost module a changed first argument.

    Args:
        change: module and its first argument to what is put in its place; must keep the shape.
    """
    depth = [0]

    def before(module: nn.Module, arguments: tuple[Any, ...]) -> Any:
        depth[0] += 1
        if depth[0] > 1 or not arguments or isinstance(module, nn.modules.loss._Loss):
            return None
        first = arguments[0]
        if type(first) is not Tensor or next(module.parameters(), None) is None:
            return None
        with torch.no_grad():
            changed = change(module, first)
        return (changed, *arguments[1:])

    def after(module: nn.Module, arguments: Any, result: Any) -> None:
        depth[0] = max(0, depth[0] - 1)

    nn.modules.module.register_module_forward_pre_hook(before)
    nn.modules.module.register_module_forward_hook(after, always_call=True)
