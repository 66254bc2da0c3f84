"""GoogLeNet: Inception blocks, several kernels side by side (Szegedy et al. 2014).

Names and shapes of the parameters are torchvision's, so its checkpoints load into the full size:
with BatchNorm (Ioffe and Szegedy 2015), with 3 x 3 where the paper has 5 x 5, and a last pooling of
2 x 2. ``true_5x5`` takes the paper's 5 x 5 and 3 x 3. Two auxiliary heads help training: they
classify from the middle of the network, and their losses count 0.3 each.

Fitted to small images (a side of at most 64 pixels): the first convolution is 3 x 3 with stride 1
instead of 7 x 7 with stride 2 and the first pooling is left out, so that the Inception blocks see
1/2, 1/4 and 1/8 of the image instead of 1/8, 1/16 and 1/32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.blocks import is_small
from gradatim.models.network import Network
from gradatim.models.options import Positive, Share

AUXILIARY_WEIGHT = 0.3
"""Weight of each auxiliary loss (section 5)."""


class BasicConv2d(nn.Module):
    """Convolution, BatchNorm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of its input."""
        result: Tensor = self.relu(self.bn(self.conv(x)))
        return result


class Inception(nn.Module):
    """Four branches over the same input, their channels joined (figure 2b).

    1 x 1; 1 x 1 then 3 x 3; 1 x 1 then ``large``; 3 x 3 maximum pooling then 1 x 1. The 1 x 1
    before a larger kernel reduces the channels it has to read.

    Args:
        inputs: channels read.
        channels: in the order of the paper's table 1: 1 x 1, reduced for 3 x 3, 3 x 3, reduced for
            5 x 5, 5 x 5, after the pooling.
        large: kernel of the third branch.
    """

    def __init__(self, inputs: int, channels: Sequence[int], large: int) -> None:
        super().__init__()
        direct, reduced_3x3, of_3x3, reduced_5x5, of_5x5, projected = channels
        self.branch1 = BasicConv2d(inputs, direct, 1)
        self.branch2 = nn.Sequential(
            BasicConv2d(inputs, reduced_3x3, 1), BasicConv2d(reduced_3x3, of_3x3, 3, padding=1)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(inputs, reduced_5x5, 1),
            BasicConv2d(reduced_5x5, of_5x5, large, padding=large // 2),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), BasicConv2d(inputs, projected, 1)
        )
        self.outputs = direct + of_3x3 + of_5x5 + projected

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels one after another."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], dim=1)


class InceptionAux(nn.Module):
    """An auxiliary head: average to 4 x 4, 1 x 1 convolution, two dense layers (section 5)."""

    def __init__(self, inputs: int, channels: int, units: int, outputs: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = BasicConv2d(inputs, channels, 1)
        self.fc1 = nn.Linear(channels * 4 * 4, units)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(units, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the head's scores, ``B x outputs``."""
        x = self.conv(self.pool(x)).flatten(1)
        scores: Tensor = self.fc2(self.dropout(self.relu(self.fc1(x))))
        return scores


class GoogLeNet(Network):
    """GoogLeNet: nine Inception blocks, global average pooling, one dense layer.

    Options:
        width: channels of the first convolution; all others change in proportion.
        true_5x5: 5 x 5 in the third branch and a last pooling of 3 x 3, as in the paper.
        auxiliary: two heads that are used in training only; then ``forward`` answers a tuple.
        dropout: probability with which a value before the dense layer is set to zero in training.
    """

    smallest_side = 8
    full_options = {"auxiliary": False}  # noqa: RUF012 - constant
    optional_weights: ClassVar[tuple[str, ...]] = ("aux1.", "aux2.")

    def __init__(
        self,
        spec: Spec,
        *,
        width: Positive = 64,
        true_5x5: bool = False,
        auxiliary: bool = True,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        small = is_small(spec)
        large = 5 if true_5x5 else 3

        def scaled(channels: int) -> int:
            return max(1, round(channels * width / 64))

        def inception(inputs: int, *channels: int) -> Inception:
            return Inception(inputs, [scaled(number) for number in channels], large)

        def pool(kernel: int = 3) -> nn.MaxPool2d:
            return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)

        kernel, stride = (3, 1) if small else (7, 2)
        self.conv1 = BasicConv2d(spec.shape[0], scaled(64), kernel, stride, kernel // 2)
        self.maxpool1 = nn.Identity() if small else pool()
        self.conv2 = BasicConv2d(scaled(64), scaled(64), 1)
        self.conv3 = BasicConv2d(scaled(64), scaled(192), 3, padding=1)
        self.maxpool2 = pool()
        self.inception3a = inception(scaled(192), 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(self.inception3a.outputs, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = pool()
        self.inception4a = inception(self.inception3b.outputs, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(self.inception4a.outputs, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(self.inception4b.outputs, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(self.inception4c.outputs, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(self.inception4d.outputs, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = pool(3 if true_5x5 else 2)
        self.inception5a = inception(self.inception4e.outputs, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(self.inception5a.outputs, 384, 192, 384, 48, 128, 128)

        def head(inputs: int) -> InceptionAux | None:
            return (
                InceptionAux(inputs, scaled(128), scaled(1024), spec.outputs) if auxiliary else None
            )

        self.aux1 = head(self.inception4a.outputs)
        self.aux2 = head(self.inception4d.outputs)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(self.inception5b.outputs, spec.outputs)
        self._start()

    def _start(self) -> None:
        """Start weights from a normal of deviation 0.01 cut at 2, as torchvision does."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.01, a=-2, b=2)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x_NCHW: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Return the scores ``B x outputs``; in training with heads, (scores, first, second)."""
        x = self.maxpool1(self.conv1(x_NCHW))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        middle = self.inception4a(x)
        late = self.inception4d(self.inception4c(self.inception4b(middle)))
        x = self.maxpool4(self.inception4e(late))
        x = self.inception5b(self.inception5a(x))
        scores: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return scores, self.aux1(middle), self.aux2(late)
        return scores

    def training_loss(
        self,
        outputs: Tensor | tuple[Tensor, ...],
        targets: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Return the loss of the scores plus 0.3 of the loss of each auxiliary head."""
        if isinstance(outputs, Tensor):
            return loss(outputs, targets)
        scores, *heads = outputs
        total = loss(scores, targets)
        for head in heads:
            total = total + AUXILIARY_WEIGHT * loss(head, targets)
        return total
