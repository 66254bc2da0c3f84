"""Labels shuffled inside each batch: what remains is what can be learned without them."""

from __future__ import annotations

import torch
from torch import Tensor

from gradatim.treatments.losses import change_targets


def shuffle() -> None:
    """Give each sample of a training batch the label of another, drawn apart from the script."""
    draws = torch.Generator().manual_seed(0)

    def change(target: Tensor) -> Tensor:
        if target.dim() == 0:
            return target
        return target[torch.randperm(len(target), generator=draws).to(target.device)]

    change_targets(change)
