"""The simple recurrent network (Elman 1990).

The state is all it remembers: h_t = f(U x_t + b + W h_(t-1) + c), with f = tanh or ReLU. Its
gradient over many steps is a product of as many factors W^T diag(f'), so it vanishes or explodes;
without W it would be a dense layer at every step.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.options import Positive, Share
from gradatim.models.sequences import Recurrent


class RNN(Recurrent):
    """Simple recurrent network: the state is one dense layer of the input and the last state.

    Options:
        hidden: units of the state.
        layers: recurrent layers, each reading the states of the one below.
        bidirectional: a second network reads from the end; both states are joined.
        dropout: probability with which a value between layers, and before the dense layer, is set
            to zero in training.
        embedding: numbers that stand for a token of a text.
        activation: ``tanh`` or ``relu``.
        initialisation: of the cell's weights, see ``models/initialisation.py``; PyTorch's own when
            auto.
    """

    cell = nn.RNN

    def __init__(
        self,
        spec: Spec,
        *,
        hidden: Positive = 128,
        layers: Positive = 1,
        bidirectional: bool = False,
        dropout: Share = 0.0,
        embedding: Positive = 64,
        activation: Literal["tanh", "relu"] = "tanh",
        initialisation: str = "auto",
    ) -> None:
        super().__init__(
            spec,
            hidden,
            layers,
            bidirectional,
            dropout,
            embedding,
            initialisation,
            nonlinearity=activation,
        )

    @torch.no_grad()
    def unrolled(self, sequence: Tensor) -> dict[str, Tensor]:
        """Return what the first layer computes at each step, by the equation at the top.

        Args:
            sequence: one sequence, ``steps x features``, or one text, ``steps``.

        Returns:
            ``hidden``, ``steps x hidden``.
        """
        u, w, b, c = self.recurrent.all_weights[0]
        activate = torch.tanh if self.options["activation"] == "tanh" else torch.relu
        hidden = torch.zeros(self.recurrent.hidden_size)
        states = []
        for x in self.embedding(sequence):
            hidden = activate(u @ x + b + w @ hidden + c)
            states.append(hidden)
        return {"hidden": torch.stack(states)}
