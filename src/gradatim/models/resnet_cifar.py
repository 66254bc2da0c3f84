"""Residual networks for 32 x 32 pixels (He et al. 2015, section 4.2).

One 3 x 3 convolution of 16 channels, three stages of n basic blocks with 16, 32 and 64 channels,
global average pooling, one dense layer: 6 n + 2 layers. Where a stage halves the image the skip
takes every second pixel and fills the new channels with zeros (option A): it has no parameters,
so the plain counterpart (``residual=False``) has exactly as many. The 56-layer plain network ends
with a higher training error than the 20-layer one: the degradation that residual blocks cure.

Full size is 3 x 32 x 32 and 10 classes; other images change the first layer's channels only.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - PyTorch's own habit
from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.blocks import same_convolution, start_fan_out
from gradatim.models.network import Network
from gradatim.models.options import Positive
from gradatim.models.resnet import BasicBlock


class PaddedSkip(nn.Module):
    """Takes every ``stride``-th pixel and fills the channels that are new with zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Return ``B x outputs x H/stride x W/stride``; half of the zeros on either side."""
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, self.new // 2, self.new - self.new // 2))


class PaddedBlock(BasicBlock):
    """A basic block whose skip has no parameters."""

    @staticmethod
    def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
        """Return the skip of option A where the block changes the shape, else None."""
        if stride == 1 and inputs == outputs:
            return None
        return PaddedSkip(inputs, outputs, stride)


class ResNetCIFAR(Network):
    """Stem, three stages of n basic blocks, global average pooling, one dense layer.

    Options:
        width: channels of the first stage; each further stage has twice as many.
        residual: False leaves the skips out: the plain counterpart.
    """

    blocks: ClassVar[int]
    smallest_side = 8
    full_input = (3, 32, 32)
    full_outputs = 10

    def __init__(self, spec: Spec, *, width: Positive = 16, residual: bool = True) -> None:
        super().__init__()
        self.conv1 = same_convolution(spec.shape[0], width, 3)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()

        def stage(inputs: int, width: int, stride: int) -> nn.Sequential:
            layer = nn.Sequential(PaddedBlock(inputs, width, stride, residual=residual))
            for _ in range(1, self.blocks):
                layer.append(PaddedBlock(width, width, 1, residual=residual))
            return layer

        self.layer1 = stage(width, width, 1)
        self.layer2 = stage(width, width * 2, 2)
        self.layer3 = stage(width * 2, width * 4, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width * 4, spec.outputs)
        start_fan_out(self)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        x = self.relu(self.bn1(self.conv1(x_NCHW)))
        x = self.layer3(self.layer2(self.layer1(x)))
        scores: Tensor = self.fc(self.avgpool(x).flatten(1))
        return scores


class ResNet20(ResNetCIFAR):
    """Residual network of 20 layers for small images: 3 blocks a stage, 16 to 64 channels."""

    blocks = 3


class ResNet32(ResNetCIFAR):
    """Residual network of 32 layers for small images: 5 blocks a stage, 16 to 64 channels."""

    blocks = 5


class ResNet44(ResNetCIFAR):
    """Residual network of 44 layers for small images: 7 blocks a stage, 16 to 64 channels."""

    blocks = 7


class ResNet56(ResNetCIFAR):
    """Residual network of 56 layers for small images: 9 blocks a stage, 16 to 64 channels."""

    blocks = 9


class ResNet110(ResNetCIFAR):
    """Residual network of 110 layers for small images: 18 blocks a stage, 16 to 64 channels."""

    blocks = 18
