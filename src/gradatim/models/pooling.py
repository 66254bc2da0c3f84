"""Pooling as ``torch.nn`` has it, and quicker where its kernel is slow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

VECTOR = 8
"""PyTorch's channels-last kernel takes so many channels at once, and what is left over one by one.
LeNet's 6 channels of 32 x 32 in a batch of 128 take it 1.6 ms in fp32 and 3.1 in bf16, pairs
0.4 and 0.6 (one core of a Zen 5)."""


class MaxPool2d(nn.MaxPool2d):
    """``torch.nn.MaxPool2d``, with another way to the same maxima.

    Those of 2 x 2 over few channels that lie side by side in memory are taken of pairs of rows
    first, where all columns and channels count as channels, and then of pairs of columns.
    """

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the maxima, ``N x C x H/2 x W/2`` for 2 x 2."""
        if not (self._halves and _few_side_by_side(x_NCHW)):
            maxima: Tensor = super().forward(x_NCHW)
            return maxima
        count, channels, height, width = x_NCHW.shape
        rows = x_NCHW.permute(0, 2, 3, 1).view(count, height, 1, width * channels)
        larger = functional.max_pool2d(rows.permute(0, 3, 1, 2), (2, 1))
        pairs = larger.permute(0, 2, 3, 1).reshape(count, height // 2, width // 2, 2, channels)
        halved: Tensor = _LargerOfPair.apply(pairs)  # type: ignore[no-untyped-call]
        return halved.permute(0, 3, 1, 2)

    @property
    def _halves(self) -> bool:
        plain = (self.padding, self.dilation, self.return_indices) == (0, 1, False)
        return plain and self.kernel_size in (2, (2, 2)) and self.stride in (2, (2, 2))


def _few_side_by_side(x_NCHW: Tensor) -> bool:
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
    """The larger of two along axis 3; of equal ones the first takes the gradient.

    PyTorch's own ``maximum`` shares it out among equals, which takes four times as long.
    """

    @staticmethod
    def forward(ctx: Any, pairs: Tensor) -> Tensor:
        first, second = pairs.unbind(3)
        ctx.save_for_backward(first >= second)
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (first,) = ctx.saved_tensors
        if gradient.requires_grad:  # the gradient is to be differentiated again
            return torch.stack([gradient * first, gradient * ~first], dim=3)
        # Masked as bits: of 16-bit floats PyTorch's products with booleans take four times as long.
        bits = gradient.view(_BITS[gradient.itemsize])
        shared = bits.new_empty((*bits.shape[:3], 2, bits.shape[3]))
        mine, others = shared.unbind(3)
        torch.bitwise_and(bits, first.to(bits.dtype).neg_(), out=mine)
        torch.bitwise_xor(bits, mine, out=others)
        return shared.view(gradient.dtype)


_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers by their bytes."""
