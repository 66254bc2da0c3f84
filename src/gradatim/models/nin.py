"""Network in network: 1 x 1 convolutions after each convolution (Lin, Chen and Yan 2013).

Each block is a convolution and two 1 x 1 convolutions: a small dense network at every position
(the paper's "mlpconv"). There is no dense layer: the last block has one channel a class, and the
average of each channel is its score. The full size is that of Dive into Deep Learning
(section 8.3), with AlexNet's kernels.

Fitted to small images (a side of at most 66 pixels): the first convolution is 5 x 5 with stride 1
instead of 11 x 11 with stride 4, and each pooling is padded by 1 so that it halves any size. Its
last block is wide, as the paper has it: with one channel a class throughout and a ReLU on the
scores (the book's) a class whose scores are all 0 learns no more.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.errors import ValueRefusedError
from gradatim.models.blocks import is_small
from gradatim.models.initialisation import initialise
from gradatim.models.network import Network
from gradatim.models.options import Share, Widths

SMALL_SIDE = 66
"""Below 67 pixels the strides of the full size leave nothing for the third pooling."""


def nin_block(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    *,
    scores: int | None = None,
) -> nn.Sequential:
    """Return a convolution and two 1 x 1 convolutions, each with ReLU.

    With ``scores`` the last 1 x 1 convolution has that many channels and no ReLU.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    layers["relu"] = nn.ReLU()
    layers["mlp1"] = nn.Conv2d(outputs, outputs, 1)
    layers["relu1"] = nn.ReLU()
    layers["mlp2"] = nn.Conv2d(outputs, scores or outputs, 1)
    if scores is None:
        layers["relu2"] = nn.ReLU()
    return nn.Sequential(layers)


class NiN(Network):
    """Network in network: four blocks of a convolution and two 1 x 1 convolutions, no dense layer.

    Options:
        channels: of the first three blocks.
        dropout: probability with which a value before the last block is set to zero in training.
        last_block: ``wide`` keeps its channels until the last 1 x 1 convolution, which answers
            the scores without ReLU; ``classes`` has one channel a class throughout and a ReLU on
            the scores, as the book has it.
        initialisation: see ``models/initialisation.py``.
    """

    smallest_side = 8
    full_options = {"last_block": "classes"}  # noqa: RUF012 - constant

    def __init__(
        self,
        spec: Spec,
        *,
        channels: Widths = (96, 256, 384),
        dropout: Share = 0.5,
        last_block: Literal["wide", "classes"] = "wide",
        initialisation: str = "auto",
    ) -> None:
        super().__init__()
        if len(channels) != 3:
            raise ValueRefusedError(
                "the option channels takes three numbers, one for each block before the last",
                given=list(channels),
                next_step="e.g. channels=96,256,384",
            )
        small = is_small(spec, SMALL_SIDE)
        c1, c2, c3 = channels
        kernel, stride, padding = (5, 1, 2) if small else (11, 4, 0)

        def pool() -> nn.MaxPool2d:
            return nn.MaxPool2d(3, stride=2, padding=1 if small else 0)

        features: OrderedDict[str, nn.Module] = OrderedDict()
        features["block1"] = nin_block(spec.shape[0], c1, kernel, stride, padding)
        features["pool1"] = pool()
        features["block2"] = nin_block(c1, c2, 5, padding=2)
        features["pool2"] = pool()
        features["block3"] = nin_block(c2, c3, 3, padding=1)
        features["pool3"] = pool()
        features["dropout"] = nn.Dropout(dropout)
        features["block4"] = (
            nin_block(c3, c3, 3, padding=1, scores=spec.outputs)
            if last_block == "wide"
            else nin_block(c3, spec.outputs, 3, padding=1)
        )
        self.features = nn.Sequential(features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        initialise(self, initialisation)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        scores: Tensor = self.avgpool(self.features(x_NCHW)).flatten(1)
        return scores
