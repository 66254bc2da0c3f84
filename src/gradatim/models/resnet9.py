"""ResNet-9: a residual network made to learn small images fast (Page 2018).

David Page, "How to Train Your ResNet", Myrtle.ai 2018, parts 4 and 8: the network that led
DAWNBench's CIFAR-10 in time to accuracy. Few layers work at full size and four stages double the
channels, so most of its arithmetic lies in wide convolutions on small maps, which processors do
best. Maximum pooling comes before norm and ReLU (part 8): these then touch a quarter of the values.

Full size is 3 x 32 x 32 and 10 classes; other images change the first layer's channels only.
"""

from __future__ import annotations

from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.blocks import same_convolution
from gradatim.models.network import Network
from gradatim.models.options import Positive

OUTPUT_SCALE = 0.125
"""Factor of the scores (part 4), so that they begin small. It stands before the last layer, not
behind it, which comes to the same, so that the scores are those of a dense layer."""


def unit(inputs: int, outputs: int, *, halved: bool = False) -> nn.Sequential:
    """Return a 3 x 3 convolution, maximum pooling where the map is halved, norm and ReLU."""
    layers: list[nn.Module] = [same_convolution(inputs, outputs, 3)]
    if halved:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    """Two units and the skip around them; no ReLU follows the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.unit1 = unit(width, width)
        self.unit2 = unit(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x)."""
        result: Tensor = x + self.unit2(self.unit1(x))
        return result


class ResNet9(Network):
    """Residual network of 9 layers that learns small images fast.

    Options:
        width: channels of the first convolution; the stages have 2, 4 and 8 times as many.
    """

    smallest_side = 8
    full_input = (3, 32, 32)
    full_outputs = 10

    def __init__(self, spec: Spec, *, width: Positive = 64) -> None:
        super().__init__()
        self.prepare = unit(spec.shape[0], width)
        self.stage1 = unit(width, 2 * width, halved=True)
        self.residual1 = Residual(2 * width)
        self.stage2 = unit(2 * width, 4 * width, halved=True)
        self.stage3 = unit(4 * width, 8 * width, halved=True)
        self.residual3 = Residual(8 * width)
        self.maxpool = nn.AdaptiveMaxPool2d(1)
        self.fc = nn.Linear(8 * width, spec.outputs, bias=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        x = self.residual1(self.stage1(self.prepare(x_NCHW)))
        x = self.residual3(self.stage3(self.stage2(x)))
        scores: Tensor = self.fc(OUTPUT_SCALE * self.maxpool(x).flatten(1))
        return scores
