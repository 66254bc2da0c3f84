"""Micro-batches: a step gone through in parts where its memory does not suffice at once.

The gradients of the parts, each weighed by its share of the batch, add up to those of the whole:
the same arithmetic up to rounding. Batch normalisation alone sees each part by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gradatim.errors import MemoryShortageError

LEAST = 2
"""Samples of a part: batch normalisation cannot be trained on one."""

# How PyTorch's allocators and oneDNN say it where they raise no error of its own kind.
SIGNS = ("not enough memory", "can't allocate memory", "out of memory", "bad_alloc")


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that there was not enough memory, on whatever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def shortage(samples: int, error: BaseException) -> MemoryShortageError:
    """Return the error of a batch that does not fit in the smallest parts."""
    said = str(error).strip().partition("\n")[0]
    return MemoryShortageError(
        "the memory does not suffice, not even for the batch in the smallest parts"
        + (f" ({said})" if said else ""),
        given=f"{samples} samples",
        next_step="end other programs, or take a smaller data.batch_size, data.size or model",
    )


def can_be_halved(samples: int, parts: int) -> bool:
    """Return whether a batch in so many parts can be gone through in twice as many."""
    return samples >= 2 * parts * LEAST


def portions(
    inputs: Tensor, targets: Tensor, parts: int, criterion: Any
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield inputs, targets and share of each part; the shares add up to 1.

    A share is that of the samples, or of their class weights where the loss has any and divides
    by their sum.
    """
    weights = getattr(criterion, "keywords", {}).get("class_weights")
    if weights is None or targets.is_floating_point():
        weighed = torch.ones(len(targets), dtype=torch.float64)
    else:
        weighed = weights[targets].cpu().double().reshape(len(targets), -1).sum(dim=1)
    bounds = [len(targets) * number // parts for number in range(parts + 1)]
    total = float(weighed.sum())
    for start, end in pairwise(bounds):
        share = float(weighed[start:end].sum()) / total if total else 1 / parts
        yield inputs[start:end], targets[start:end], share
