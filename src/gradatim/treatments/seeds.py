"""Another seed: other first weights, another order, nothing else."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

SHIFT = 7919


def another() -> None:
    """Shift every seed that the script sets, and begin from another one where it sets none."""
    torch_seed, numpy_seed, python_seed = torch.manual_seed, np.random.seed, random.seed

    def manual_seed(seed: int) -> Any:
        return torch_seed(int(seed) + SHIFT)

    def seed_numpy(seed: Any = None) -> None:
        numpy_seed((seed + SHIFT) % 2**32 if isinstance(seed, int) else seed)

    def seed_python(a: Any = None, version: int = 2) -> None:
        python_seed(a + SHIFT if isinstance(a, int) else a, version)

    torch.manual_seed = manual_seed
    torch.random.manual_seed = manual_seed
    np.random.seed = seed_numpy
    random.seed = seed_python
    torch_seed(SHIFT)
