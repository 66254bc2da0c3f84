"""Gradients clipped to about their usual size, whatever that is."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.optim import optimizer as optimisers

KEPT = 100
"""Steps whose gradient sizes are remembered."""


def usual() -> None:
    """Let no gradient be larger than twice the median of those before it, as they were used.

    What is remembered is the size after clipping: gradients that grow from step to step cannot
    raise their own limit faster than twofold.
    """
    sizes: dict[int, deque[float]] = {}

    def before(optimiser: Any, arguments: Any, options: Any) -> None:
        gradients: list[Tensor] = [
            parameter.grad
            for group in optimiser.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and not parameter.grad.is_sparse
        ]
        if not gradients:
            return
        with torch.no_grad():
            size = float(torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients])))
            known = sizes.setdefault(id(optimiser), deque(maxlen=KEPT))
            limit = 2 * median(known) if known else size
            if size > limit > 0:
                for gradient in gradients:
                    gradient.mul_(limit / size)
            known.append(min(size, limit) if limit > 0 else size)

    optimisers.register_optimizer_step_pre_hook(before)
