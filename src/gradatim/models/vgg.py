"""VGG: blocks of 3 x 3 convolutions, each block ended by a pooling (Simonyan and Zisserman 2014).

Configurations A, B, D and E of the paper's table 1 are VGG-11, 13, 16 and 19. Names and shapes of
the parameters are torchvision's, so its checkpoints load into the full size.

Fitted to small images (a side of at most 64 pixels): the convolutions are the same; the poolings
round up, so that five of them leave at least one pixel; the average over what is left takes the
place of the 7 x 7 grid; the dense layers have 512 units instead of 4096.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.blocks import is_small
from gradatim.models.initialisation import initialise
from gradatim.models.network import Network
from gradatim.models.options import Positive, Share


def vgg_block(inputs: int, outputs: int, depth: int, batch_norm: bool) -> list[nn.Module]:
    """Return ``depth`` 3 x 3 convolutions, each with norm (where asked) and ReLU."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers.append(nn.Conv2d(inputs if index == 0 else outputs, outputs, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU())
    return layers


class VGG(Network):
    """Five blocks of convolutions and three dense layers.

    Options:
        width: channels of the first block; the further ones have 2, 4, 8 and 8 times as many.
        units: of the two hidden dense layers; 4096, or 512 for small images, when auto.
        dropout: probability with which a hidden dense unit is set to zero in training.
        initialisation: see ``models/initialisation.py``.
    """

    depths: ClassVar[tuple[int, int, int, int, int]]
    batch_norm: ClassVar[bool] = False
    smallest_side = 8

    def __init__(
        self,
        spec: Spec,
        *,
        width: Positive = 64,
        units: Positive | None = None,
        dropout: Share = 0.5,
        initialisation: str = "auto",
    ) -> None:
        super().__init__()
        small = is_small(spec)
        layers: list[nn.Module] = []
        inputs = spec.shape[0]
        for depth, outputs in zip(self.depths, (1, 2, 4, 8, 8), strict=True):
            layers += vgg_block(inputs, width * outputs, depth, self.batch_norm)
            layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=small))
            inputs = width * outputs
        self.features = nn.Sequential(*layers)
        grid = 1 if small else 7
        units = units or (512 if small else 4096)
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        self.classifier = nn.Sequential(
            nn.Linear(inputs * grid**2, units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, spec.outputs),
        )
        initialise(self, initialisation)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        x = self.avgpool(self.features(x_NCHW)).flatten(1)
        scores: Tensor = self.classifier(x)
        return scores


class VGG11(VGG):
    """VGG of 11 layers (configuration A): 1 + 1 + 2 + 2 + 2 convolutions."""

    depths = (1, 1, 2, 2, 2)


class VGG13(VGG):
    """VGG of 13 layers (configuration B): 2 + 2 + 2 + 2 + 2 convolutions."""

    depths = (2, 2, 2, 2, 2)


class VGG16(VGG):
    """VGG of 16 layers (configuration D): 2 + 2 + 3 + 3 + 3 convolutions."""

    depths = (2, 2, 3, 3, 3)


class VGG19(VGG):
    """VGG of 19 layers (configuration E): 2 + 2 + 4 + 4 + 4 convolutions."""

    depths = (2, 2, 4, 4, 4)


class VGG11BN(VGG11):
    """VGG of 11 layers with BatchNorm after each convolution."""

    batch_norm = True


class VGG13BN(VGG13):
    """VGG of 13 layers with BatchNorm after each convolution."""

    batch_norm = True


class VGG16BN(VGG16):
    """VGG of 16 layers with BatchNorm after each convolution."""

    batch_norm = True


class VGG19BN(VGG19):
    """VGG of 19 layers with BatchNorm after each convolution."""

    batch_norm = True
