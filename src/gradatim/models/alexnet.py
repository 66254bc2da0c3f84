"""AlexNet: the network that won ImageNet in 2012 (Krizhevsky et al.).

The full size is torchvision's, one column of the 2014 form (Krizhevsky, "One weird trick"):
names and shapes of its parameters, so its checkpoints load. The form ``paper`` is that of 2012:
more channels, and the second, fourth and fifth convolution in two groups, as they ran on two
graphics cards; its input is 227 x 227 (the paper prints 224, which does not give its 55).

Fitted to small images (a side of at most 64 pixels): the first convolution is 5 x 5 with stride 1
instead of 11 x 11 with stride 4, each pooling is padded by 1 so that it halves any size, the dense
layers see at most 4 x 4 positions and have 1024 units instead of 4096.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.blocks import is_small
from gradatim.models.initialisation import initialise
from gradatim.models.network import Network
from gradatim.models.options import Positive, Share

Form = Literal["torchvision", "paper"]

CHANNELS: dict[Form, tuple[int, ...]] = {
    "torchvision": (64, 192, 384, 256, 256),
    "paper": (96, 256, 384, 384, 256),
}


class AlexNet(Network):
    """AlexNet: five convolutions, three poolings, three dense layers.

    Options:
        form: ``torchvision``, or ``paper`` (more channels, two groups; without the paper's local
            response normalisation, which has no parameters).
        units: of the two hidden dense layers; 4096, or 1024 for small images, when auto.
        dropout: probability with which an input of a hidden dense layer is set to zero.
        initialisation: see ``models/initialisation.py``.
    """

    smallest_side = 8

    def __init__(
        self,
        spec: Spec,
        *,
        form: Form = "torchvision",
        units: Positive | None = None,
        dropout: Share = 0.5,
        initialisation: str = "auto",
    ) -> None:
        super().__init__()
        small = is_small(spec)
        c1, c2, c3, c4, c5 = CHANNELS[form]
        groups = 2 if form == "paper" else 1
        positions = min(4, -(-min(spec.shape[1:]) // 8)) if small else 6
        units = units or (1024 if small else 4096)

        def pool() -> nn.MaxPool2d:
            return nn.MaxPool2d(3, stride=2, padding=1 if small else 0)

        self.features = nn.Sequential(
            self._first(spec.shape[0], c1, small, form),
            nn.ReLU(),
            pool(),
            nn.Conv2d(c1, c2, 5, padding=2, groups=groups),
            nn.ReLU(),
            pool(),
            nn.Conv2d(c2, c3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c3, c4, 3, padding=1, groups=groups),
            nn.ReLU(),
            nn.Conv2d(c4, c5, 3, padding=1, groups=groups),
            nn.ReLU(),
            pool(),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(positions)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(c5 * positions**2, units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, units),
            nn.ReLU(),
            nn.Linear(units, spec.outputs),
        )
        initialise(self, initialisation)

    @staticmethod
    def _first(channels: int, outputs: int, small: bool, form: Form) -> nn.Conv2d:
        if small:
            return nn.Conv2d(channels, outputs, 5, padding=2)
        return nn.Conv2d(channels, outputs, 11, stride=4, padding=0 if form == "paper" else 2)

    @classmethod
    def full_shape(cls, options: Mapping[str, Any]) -> tuple[int, ...]:
        """Return 3 x 227 x 227 for the paper's form, else 3 x 224 x 224."""
        return (3, 227, 227) if options["form"] == "paper" else cls.full_input

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        x = self.avgpool(self.features(x_NCHW)).flatten(1)
        scores: Tensor = self.classifier(x)
        return scores
