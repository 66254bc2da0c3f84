"""The multi-layer perceptron: dense layers with an activation between them."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn

from gradatim.core.spec import Kind, Spec
from gradatim.models.activations import Activation, activation_layer
from gradatim.models.blocks import flatten
from gradatim.models.initialisation import initialise
from gradatim.models.network import Network
from gradatim.models.options import Share, Widths


class MLP(Network):
    """Flatten, then for each width a dense layer and an activation, then a dense output layer.

    Options:
        hidden: units of each hidden layer; an empty list leaves the linear model.
        activation: after each hidden layer.
        dropout: probability with which a hidden unit is set to zero in training.
        batch_norm: normalise each hidden layer over the batch, before the activation.
        initialisation: see ``models/initialisation.py``.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("image", "vector", "sequence")
    full_input = (1, 28, 28)
    full_outputs = 10

    def __init__(
        self,
        spec: Spec,
        *,
        hidden: Widths = (256, 128),
        activation: Activation = "relu",
        dropout: Share = 0.0,
        batch_norm: bool = False,
        initialisation: str = "auto",
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=flatten(spec))
        width = spec.size
        for number, units in enumerate(hidden, start=1):
            layers |= _hidden_layer(number, width, units, activation, dropout, batch_norm)
            width = units
        layers["output"] = nn.Linear(width, spec.outputs)
        self.layers = nn.Sequential(layers)
        initialise(self, initialisation, activation=activation)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        scores: Tensor = self.layers(inputs)
        return scores


def _hidden_layer(
    number: int, inputs: int, units: int, name: Activation, dropout: float, batch_norm: bool
) -> OrderedDict[str, nn.Module]:
    """Return one hidden layer: dense, normalised where asked, activated, dropped where asked."""
    layer: OrderedDict[str, nn.Module] = OrderedDict()
    layer[f"hidden{number}"] = nn.Linear(inputs, units, bias=not batch_norm)
    if batch_norm:
        layer[f"norm{number}"] = nn.BatchNorm1d(units)
    layer[f"activation{number}"] = activation_layer(name)
    if dropout:
        layer[f"dropout{number}"] = nn.Dropout(dropout)
    return layer
