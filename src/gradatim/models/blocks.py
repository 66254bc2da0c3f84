"""What several networks share: convolutions, the sizes of small images."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from gradatim.core.spec import Spec

SMALL_SIDE = 64
"""Largest side in pixels of an image for which a network takes its form for small images."""


def is_small(spec: Spec, side: int = SMALL_SIDE) -> bool:
    """Return whether the images are small: their shorter side has at most ``side`` pixels."""
    return min(spec.shape[1:]) <= side


class FlattenSteps(nn.Module):
    """Lays the steps of a series side by side: ``B x T x F`` becomes ``B x size``.

    A shorter series is filled up with 0, the mean; so are its steps that are NaN.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``B x size``."""
        flat = inputs.flatten(1).nan_to_num(nan=0.0)
        return functional.pad(flat, (0, self.size - flat.shape[1]))


def flatten(spec: Spec) -> nn.Module:
    """Return the layer that makes one row of numbers of a sample."""
    return FlattenSteps(spec.size) if spec.kind == "sequence" else nn.Flatten()


def same_convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution without bias (a norm follows) that keeps the size at stride 1."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def start_fan_out(network: nn.Module) -> None:
    """Start convolutions by Kaiming's rule over the outputs, their biases at 0.

    Variance 2 / (kernel area x output channels): He et al. 2015, "Delving Deep into Rectifiers",
    section 2.2, backward form.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
