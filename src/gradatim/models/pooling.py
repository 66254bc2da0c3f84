"""Pooling as ``torch.nn`` has it, and quicker where its kernel is slow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

VECTOR = 8
"""PyTorch's channels-last kernel takes so many channels at once, and what is left over one by one.
LeNet's 6 channels of 32 x 32 in a batch of 128 take it, forwards and backwards, 0.9 ms in fp32 and
1.8 in bf16; pairs 0.5 and 0.4 (two cores of a Zen 5)."""


class MaxPool2d(nn.MaxPool2d):
    """``torch.nn.MaxPool2d``, with another way to the same maxima.

    Those of 2 x 2 over few channels that lie side by side in memory are taken of pairs of rows
    first, whole rows at a time, and then of pairs of columns.
    """

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the maxima, ``N x C x H/2 x W/2`` for 2 x 2."""
        if not (self._halves and few_side_by_side(x_NCHW)):
            maxima: Tensor = super().forward(x_NCHW)
            return maxima
        count, channels, height, width = x_NCHW.shape
        rows = x_NCHW.permute(0, 2, 3, 1).view(count, height // 2, 2, width * channels)
        larger = _larger_of_pair(rows, 2)
        columns = larger.view(count, height // 2, width // 2, 2, channels)
        return _larger_of_pair(columns, 3).permute(0, 3, 1, 2)

    @property
    def _halves(self) -> bool:
        plain = (self.padding, self.dilation, self.return_indices) == (0, 1, False)
        return plain and self.kernel_size in (2, (2, 2)) and self.stride in (2, (2, 2))


def few_side_by_side(x_NCHW: Tensor) -> bool:
    """Whether PyTorch's kernel is slow for it: few channels, channels-last, on the processor."""
    if x_NCHW.ndim != 4 or x_NCHW.device.type != "cpu":
        return False
    _, channels, height, width = x_NCHW.shape
    return (
        1 < channels < 2 * VECTOR
        and channels % VECTOR > 0
        and height % 2 == width % 2 == 0
        and x_NCHW.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )


class _LargerOfPair(torch.autograd.Function):
    """The larger of two along an axis; of equal ones the first takes the gradient.

    PyTorch's own ``maximum`` shares it out among equals, which takes four times as long. Here the
    gradient is masked as bits: products of 16-bit floats with booleans take as long.
    """

    @staticmethod
    def forward(ctx: Any, pairs: Tensor, axis: int) -> Tensor:
        first, second = pairs.unbind(axis)
        larger = torch.maximum(first, second)
        ctx.axis = axis
        ctx.save_for_backward(_bits(larger) ^ _bits(first))  # 0 where it is the first
        return larger

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (differs,) = ctx.saved_tensors
        if gradient.requires_grad:  # the gradient is to be differentiated again
            second = differs != 0
            return torch.stack([gradient * ~second, gradient * second], dim=ctx.axis), None
        # Where any bit of x is set, the highest of x | -x is, and a shift spreads it over all.
        second = differs.neg().bitwise_or_(differs)
        second.bitwise_right_shift_(8 * second.itemsize - 1)
        bits = _bits(gradient)
        shape = list(bits.shape)
        shape.insert(ctx.axis, 2)
        shared = bits.new_empty(shape)
        mine, others = shared.unbind(ctx.axis)
        torch.bitwise_and(bits, second, out=others)
        torch.bitwise_xor(bits, others, out=mine)
        return shared.view(gradient.dtype), None


def _larger_of_pair(pairs: Tensor, axis: int) -> Tensor:
    larger: Tensor = _LargerOfPair.apply(pairs, axis)  # type: ignore[no-untyped-call]
    return larger


def _bits(floats: Tensor) -> Tensor:
    """Return them as whole numbers of the same bits."""
    return floats.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[floats.itemsize])
