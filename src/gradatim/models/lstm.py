"""Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers 1999).

A cell state c runs through all steps and is only multiplied and added to:

    i = sigmoid(U_i x + W_i h + b_i)      input gate: how much of the candidate is stored
    f = sigmoid(U_f x + W_f h + b_f)      forget gate: how much of the cell is kept
    g = tanh(U_g x + W_g h + b_g)         candidate
    o = sigmoid(U_o x + W_o h + b_o)      output gate: how much of the cell is shown
    c' = f c + i g,   h' = o tanh(c')
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gradatim.core.spec import Spec
from gradatim.models.options import Positive, Share
from gradatim.models.sequences import Recurrent


class LSTM(Recurrent):
    """Long short-term memory: a cell state with gates that store, keep and show.

    Options:
        hidden: units of the state.
        layers: recurrent layers, each reading the states of the one below.
        bidirectional: a second network reads from the end; both states are joined.
        dropout: probability with which a value between layers, and before the dense layer, is set
            to zero in training.
        embedding: numbers that stand for a token of a text.
        forget_bias: where the bias of the forget gate starts. 1 lets the cell remember from the
            first step (Jozefowicz et al. 2015, section 2.2), for a few steps; 4 for tens of steps.
        initialisation: of the cell's weights, see ``models/initialisation.py``; PyTorch's own when
            auto.
    """

    cell = nn.LSTM

    def __init__(
        self,
        spec: Spec,
        *,
        hidden: Positive = 128,
        layers: Positive = 1,
        bidirectional: bool = False,
        dropout: Share = 0.0,
        embedding: Positive = 64,
        forget_bias: float = 1.0,
        initialisation: str = "auto",
    ) -> None:
        super().__init__(spec, hidden, layers, bidirectional, dropout, embedding, initialisation)
        with torch.no_grad():
            for name, parameter in self.recurrent.named_parameters():
                if name.startswith("bias"):  # in the order i, f, g, o; the two biases add up
                    start = forget_bias if name.startswith("bias_ih") else 0.0
                    parameter[hidden : 2 * hidden] = start

    @torch.no_grad()
    def unrolled(self, sequence: Tensor) -> dict[str, Tensor]:
        """Return what the first layer computes at each step, by the equations at the top.

        Args:
            sequence: one sequence, ``steps x features``, or one text, ``steps``.

        Returns:
            ``input``, ``forget``, ``candidate``, ``output``, ``cell``, ``hidden``, each
            ``steps x hidden``.
        """
        u, w, b, c = self.recurrent.all_weights[0]  # b and c add up to the bias above
        hidden = cell = torch.zeros(self.recurrent.hidden_size)
        steps = []
        for x in self.embedding(sequence):
            i, f, g, o = (u @ x + b + w @ hidden + c).chunk(4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            cell = f * cell + i * g
            hidden = o * cell.tanh()
            steps.append((i, f, g, o, cell, hidden))
        names = ("input", "forget", "candidate", "output", "cell", "hidden")
        return {
            name: torch.stack(values)
            for name, values in zip(names, zip(*steps, strict=True), strict=True)
        }
