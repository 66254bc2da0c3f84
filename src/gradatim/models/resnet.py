"""Residual networks (He et al. 2015, "Deep Residual Learning for Image Recognition").

A block learns what to add to its input: y = relu(F(x) + x). Names and shapes of the parameters
are torchvision's, so its checkpoints load into the full size.

Fitted to small images (a side of at most 64 pixels): the stem is one 3 x 3 convolution of stride 1
and there is no maximum pooling, so that the four stages see 1, 1/2, 1/4 and 1/8 of the image
instead of 1/4 to 1/32. The stages are the same.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.blocks import is_small, same_convolution, start_fan_out
from gradatim.models.network import Network
from gradatim.models.options import Positive

StrideOn = Literal["3x3", "1x1"]


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and the skip (figure 5, left)."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int,
        *,
        residual: bool = True,
        stride_on: StrideOn = "3x3",
    ) -> None:
        super().__init__()
        self.conv1 = same_convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = same_convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.residual = residual
        self.downsample = self.shortcut(inputs, width, stride) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + x), or relu(F(x)) without the skip."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        result: Tensor = self.relu(out)
        return result

    @staticmethod
    def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
        """Return what the skip does where the block changes the shape, else None."""
        return projection(inputs, outputs, stride)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions and the skip (figure 5, right); the last has 4 x width.

    The stride sits on the 3 x 3 convolution (torchvision) or on the first 1 x 1 (the paper).
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int,
        *,
        residual: bool = True,
        stride_on: StrideOn = "3x3",
    ) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = same_convolution(inputs, width, 1, stride if stride_on == "1x1" else 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = same_convolution(width, width, 3, stride if stride_on == "3x3" else 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = same_convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.residual = residual
        self.downsample = projection(inputs, outputs, stride) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + x), or relu(F(x)) without the skip."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        result: Tensor = self.relu(out)
        return result


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Return a 1 x 1 convolution for the skip where the block changes the shape, else None."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(same_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class ResNet(Network):
    """Stem, four stages of blocks, global average pooling, one dense layer.

    Options:
        width: channels of the first stage; each further stage has twice as many.
        residual: False leaves the skips out: the plain counterpart of the paper's figure 6.
        stride_on: which convolution of a bottleneck has the stride, ``3x3`` (torchvision) or
            ``1x1`` (the paper). Basic blocks have one choice only.
    """

    block: ClassVar[type[BasicBlock] | type[Bottleneck]]
    stages: ClassVar[tuple[int, int, int, int]]
    smallest_side = 8

    def __init__(
        self,
        spec: Spec,
        *,
        width: Positive = 64,
        residual: bool = True,
        stride_on: StrideOn = "3x3",
    ) -> None:
        super().__init__()
        channels, small = spec.shape[0], is_small(spec)
        kernel, stride = (3, 1) if small else (7, 2)
        self.conv1 = same_convolution(channels, width, kernel, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        first, second, third, fourth = self.stages
        grow = self.block.expansion

        def stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
            """Return the blocks of one stage; the first takes the stride and the new width."""
            kind = {"residual": residual, "stride_on": stride_on}
            layer = nn.Sequential(self.block(inputs, width, stride, **kind))  # type: ignore[arg-type]
            for _ in range(1, blocks):
                layer.append(self.block(width * grow, width, 1, **kind))  # type: ignore[arg-type]
            return layer

        self.layer1 = stage(width, width, first, 1)
        self.layer2 = stage(width * grow, width * 2, second, 2)
        self.layer3 = stage(width * 2 * grow, width * 4, third, 2)
        self.layer4 = stage(width * 4 * grow, width * 8, fourth, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width * 8 * grow, spec.outputs)
        start_fan_out(self)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x_NCHW))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        scores: Tensor = self.fc(self.avgpool(x).flatten(1))
        return scores


class ResNet18(ResNet):
    """Residual network of 18 layers: basic blocks, 2 + 2 + 2 + 2."""

    block = BasicBlock
    stages = (2, 2, 2, 2)


class ResNet34(ResNet):
    """Residual network of 34 layers: basic blocks, 3 + 4 + 6 + 3."""

    block = BasicBlock
    stages = (3, 4, 6, 3)


class ResNet50(ResNet):
    """Residual network of 50 layers: bottlenecks, 3 + 4 + 6 + 3."""

    block = Bottleneck
    stages = (3, 4, 6, 3)


class ResNet101(ResNet):
    """Residual network of 101 layers: bottlenecks, 3 + 4 + 23 + 3."""

    block = Bottleneck
    stages = (3, 4, 23, 3)


class ResNet152(ResNet):
    """Residual network of 152 layers: bottlenecks, 3 + 8 + 36 + 3."""

    block = Bottleneck
    stages = (3, 8, 36, 3)
