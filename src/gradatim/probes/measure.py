"""Tensors to plain numbers. Nothing here draws a random number or changes its argument."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor

Numbers = dict[str, Any]
MOST_ROWS = 256
MOST_VALUES = 1 << 16
SOME_VALUES = 1 << 14


def plain(tensor: Any) -> TypeGuard[Tensor]:
    """Say whether a value is an ordinary dense tensor that can be read at once."""
    return (
        isinstance(tensor, Tensor)
        and type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.layout == torch.strided
        and tensor.device.type != "meta"
        and not tensor.is_quantized
    )


def tensors_in(value: Any, depth: int = 2) -> list[Tensor]:
    """Return the ordinary tensors in a value: itself, or in lists, mappings, data classes."""
    if plain(value):
        return [value]
    if depth == 0:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    elif is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name, None) for field in fields(value)]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item, depth - 1)]
    return []


def few(tensor: Tensor, values: int = MOST_VALUES) -> Tensor:
    """Return the first rows of a tensor, detached: at most MOST_ROWS, and about so many values."""
    tensor = tensor.detach()
    if tensor.dim() == 0:
        return tensor
    row = max(1, tensor[0].numel()) if len(tensor) else 1
    return tensor[: max(2, min(MOST_ROWS, values // row))]


def rms(tensor: Tensor) -> float:
    """Return the root mean square."""
    return math.sqrt(float(few(tensor).float().pow(2).mean())) if tensor.numel() else 0.0


def summary(tensor: Tensor) -> Numbers:
    """Return shape, kind, share of finite values, mean, standard deviation and range."""
    numbers: Numbers = {"shape": list(tensor.shape), "kind": str(tensor.dtype)[6:]}
    if tensor.numel() == 0 or tensor.dtype.is_complex:
        return numbers
    values = few(tensor).float()
    finite = torch.isfinite(values)
    share = float(finite.float().mean())
    numbers["finite"] = share
    if share < 1.0:
        values = values[finite]
    if values.numel():
        low, high = values.aminmax()
        numbers["mean"] = float(values.mean())
        numbers["std"] = float(values.std(correction=0))
        numbers["low"], numbers["high"] = float(low), float(high)
    return numbers


def features(batch: Tensor) -> Numbers | None:
    """Return how the features (dim 1) of a batch of floats differ in scale, over the batch."""
    if batch.dim() < 2 or not batch.dtype.is_floating_point or len(batch) < 2:
        return None
    if batch.dim() == 3:  # N x T x F
        columns = few(batch).float().flatten(0, 1)
    elif batch.dim() == 2:
        columns = few(batch).float()
    else:  # N x C x ...
        columns = few(batch).float().transpose(0, 1).flatten(1).t()
    columns = torch.nan_to_num(columns)
    std = columns.std(0, correction=0)
    mean = columns.mean(0).abs()
    varies = std > 0
    if not bool(varies.any()):
        return {"count": columns.shape[1], "constant": columns.shape[1]}
    return {
        "count": columns.shape[1],
        "constant": int((~varies).sum()),
        "smallest_std": float(std[varies].min()),
        "largest_std": float(std.max()),
        "mean_to_std": float((mean[varies] / std[varies]).median()),
    }


def _neighbours(images: Tensor, lag: int) -> float:
    """Return the correlation of values ``lag`` apart along the last axis."""
    a, b = images[..., :-lag].flatten(), images[..., lag:].flatten()
    a, b = a - a.mean(), b - b.mean()
    scale = float((a.pow(2).mean() * b.pow(2).mean()).sqrt())
    return float((a * b).mean()) / scale if scale > 0 else 0.0


def layout(batch: Tensor) -> Numbers | None:
    """Return how smooth images are as they are, and if their memory were read channels-last.

    Pictures are smooth: neighbours correlate. If reading the same memory as N x H x W x C makes
    them much smoother, a ``view`` stands where a ``permute`` was meant.
    """
    if batch.dim() != 4 or batch.shape[1] not in (2, 3, 4) or not batch.dtype.is_floating_point:
        return None
    images = batch.detach()[:16].float()
    if min(images.shape[2:]) < 8 or not bool(torch.isfinite(images).all()):
        return None
    n, channels, height, width = images.shape
    other = images.contiguous().view(n, height, width, channels).permute(0, 3, 1, 2)
    return {
        "smooth": min(_neighbours(images, 1), _neighbours(images.transpose(2, 3), 1)),
        "smooth_channels_last": min(_neighbours(other, 1), _neighbours(other.transpose(2, 3), 1)),
    }


def fingerprints(batch: Tensor) -> list[int]:
    """Return one number per sample; equal samples have equal numbers.

    A weighted sum in double precision without its last 12 bits. The weights are a fixed irrational
    sequence (the fractional parts of multiples of the golden ratio), so no random number is drawn.
    """
    rows = batch.detach()[: MOST_ROWS * 4].flatten(1)
    rows = rows[:, :: -(-rows.shape[1] // 256)].double()
    index = torch.arange(1, rows.shape[1] + 1, dtype=torch.float64, device=rows.device)
    weights = torch.frac(index * 0.6180339887498949) + 0.1
    sums: list[int] = ((rows * weights).sum(1).view(torch.int64) >> 12).tolist()
    return sums


def equal_rows(weight: Tensor) -> bool:
    """Say whether all units of a weight are one and the same: its rows, or columns if it has two.

    Layers hold a unit in a row; code that writes ``x @ W`` holds it in a column.
    """
    rows = weight.detach().flatten(1)
    if len(rows) > 1 and torch.equal(rows[0], rows[1]) and bool((rows == rows[0]).all()):
        return True
    if weight.dim() != 2 or weight.shape[1] < 2 or not torch.equal(rows[:, 0], rows[:, 1]):
        return False
    return bool((rows == rows[:, :1]).all())
