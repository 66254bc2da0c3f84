"""LeNet-5: the convolutional network that read handwritten digits (LeCun et al. 1998).

Layers carry the paper's names: C1 and C3 convolve, S2 and S4 subsample, C5 and F6 are dense. The
full size is the form of Dive into Deep Learning (section 7.6): 1 x 28 x 28 pixels padded by 2,
sigmoid and average pooling, a plain dense output layer, 61,706 parameters.

Fitted to other data: C1 takes the data's channels; C3 is padded where its 5 x 5 kernel would leave
less than 1 x 1 after S4 (images below 12 pixels), and C5 takes what S4 leaves of the image. The
default of the fitted form is ReLU and maximum pooling: of the two it learns faster and ends
better on the same images (``docs/why/lenet.md`` has the numbers). With maximum pooling a rising
activation comes after it, as in the paper: its largest value is that of the largest input, and a
quarter of them is left to be computed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.activations import FALLING, Activation, activation_layer
from gradatim.models.convolution import Conv2d
from gradatim.models.initialisation import initialise
from gradatim.models.network import Network
from gradatim.models.options import Positive, Share
from gradatim.models.pooling import MaxPool2d


class LeNet(Network):
    """Two convolutions with pooling, three dense layers.

    Options:
        activation: after C1, C3, C5 and F6.
        pooling: of S2 and S4, ``max`` or ``average``, 2 x 2.
        width: multiplies the channels 6 and 16 and the units 120 and 84.
        padding: of C1; 2 for pictures of 28 x 28, 0 for the paper's 32 x 32.
        batch_norm: normalise C1, C3, C5 and F6 over the batch, before the activation.
        dropout: probability with which a unit of C5 and F6 is set to zero in training.
        initialisation: see ``models/initialisation.py``.
    """

    smallest_side = 8
    full_input = (1, 28, 28)
    full_outputs = 10
    full_options = {"activation": "sigmoid", "pooling": "average"}  # noqa: RUF012 - constant

    def __init__(
        self,
        spec: Spec,
        *,
        activation: Activation = "relu",
        pooling: Literal["max", "average"] = "max",
        width: Positive = 1,
        padding: Literal[0, 2] = 2,
        batch_norm: bool = False,
        dropout: Share = 0.0,
        initialisation: str = "auto",
    ) -> None:
        super().__init__()
        channels, height, breadth = spec.shape
        height, breadth = ((side + 2 * padding - 4) // 2 for side in (height, breadth))  # after S2
        inner = 0 if min(height, breadth) >= 6 else 2
        c1, c3, c5, f6 = 6 * width, 16 * width, 120 * width, 84 * width
        height, breadth = ((side + 2 * inner - 4) // 2 for side in (height, breadth))  # after S4

        features: OrderedDict[str, nn.Module] = OrderedDict()
        features["c1"] = Conv2d(channels, c1, 5, padding=padding)
        norm = nn.BatchNorm2d(c1) if batch_norm else None
        features |= _pooled("s2", _after("1", norm, activation, 0.0), pooling, activation)
        features["c3"] = nn.Conv2d(c1, c3, 5, padding=inner)
        norm = nn.BatchNorm2d(c3) if batch_norm else None
        features |= _pooled("s4", _after("3", norm, activation, 0.0), pooling, activation)
        self.features = nn.Sequential(features)

        dense: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        dense["c5"] = nn.Linear(c3 * height * breadth, c5)
        dense |= _after("5", nn.BatchNorm1d(c5) if batch_norm else None, activation, dropout)
        dense["f6"] = nn.Linear(c5, f6)
        dense |= _after("6", nn.BatchNorm1d(f6) if batch_norm else None, activation, dropout)
        dense["output"] = nn.Linear(f6, spec.outputs)
        self.classifier = nn.Sequential(dense)
        initialise(self, initialisation, activation=activation)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        scores: Tensor = self.classifier(self.features(x_NCHW))
        return scores


def _after(
    layer: str, norm: nn.Module | None, name: Activation, dropout: float
) -> OrderedDict[str, nn.Module]:
    """Return what follows a layer: norm, activation and dropout, as far as asked for."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    if norm is not None:
        modules[f"norm{layer}"] = norm
    modules[f"activation{layer}"] = activation_layer(name)
    if dropout:
        modules[f"dropout{layer}"] = nn.Dropout(dropout)
    return modules


def _pooled(
    layer: str, after: OrderedDict[str, nn.Module], pooling: str, activation: Activation
) -> OrderedDict[str, nn.Module]:
    """Return norm, activation and pooling of a convolution, as far as there, in their order."""
    after[layer] = MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
    if pooling == "max" and activation not in FALLING:
        after.move_to_end(next(name for name in after if name.startswith("activation")))
    return after
