"""The gated recurrent unit (Cho et al. 2014).

One state, two gates: it keeps the old state where z is near 1 and takes the candidate elsewhere.

    r = sigmoid(U_r x + b_r + W_r h + c_r)        reset gate: how much of the state is read
    z = sigmoid(U_z x + b_z + W_z h + c_z)        update gate: how much of the state is kept
    n = tanh(U_n x + b_n + r (W_n h + c_n))       candidate
    h' = (1 - z) n + z h

The reset gate multiplies after the product with W_n, as in cuDNN and PyTorch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.options import Positive, Share
from gradatim.models.sequences import Recurrent


class GRU(Recurrent):
    """Gated recurrent unit: one state with gates that reset and keep it.

    Options:
        hidden: units of the state.
        layers: recurrent layers, each reading the states of the one below.
        bidirectional: a second network reads from the end; both states are joined.
        dropout: probability with which a value between layers, and before the dense layer, is set
            to zero in training.
        embedding: numbers that stand for a token of a text.
        initialisation: of the cell's weights, see ``models/initialisation.py``; PyTorch's own when
            auto.
    """

    cell = nn.GRU

    def __init__(
        self,
        spec: Spec,
        *,
        hidden: Positive = 128,
        layers: Positive = 1,
        bidirectional: bool = False,
        dropout: Share = 0.0,
        embedding: Positive = 64,
        initialisation: str = "auto",
    ) -> None:
        super().__init__(spec, hidden, layers, bidirectional, dropout, embedding, initialisation)

    @torch.no_grad()
    def unrolled(self, sequence: Tensor) -> dict[str, Tensor]:
        """Return what the first layer computes at each step, by the equations at the top.

        Args:
            sequence: one sequence, ``steps x features``, or one text, ``steps``.

        Returns:
            ``reset``, ``update``, ``candidate``, ``hidden``, each ``steps x hidden``.
        """
        u, w, b, c = self.recurrent.all_weights[0]
        hidden = torch.zeros(self.recurrent.hidden_size)
        steps = []
        for x in self.embedding(sequence):
            of_input = (u @ x + b).chunk(3)
            of_state = (w @ hidden + c).chunk(3)
            r = (of_input[0] + of_state[0]).sigmoid()
            z = (of_input[1] + of_state[1]).sigmoid()
            n = (of_input[2] + r * of_state[2]).tanh()
            hidden = (1 - z) * n + z * hidden
            steps.append((r, z, n, hidden))
        names = ("reset", "update", "candidate", "hidden")
        return {
            name: torch.stack(values)
            for name, values in zip(names, zip(*steps, strict=True), strict=True)
        }
