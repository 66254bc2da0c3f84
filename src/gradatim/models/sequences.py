"""What the recurrent networks share: sequences of any length in, scores or a next token out.

A sequence is ``B x steps x features``; a text is ``B x steps`` whole numbers, each the index of a
token. Sequences of different length are filled up at their end: a text with the token 0, a
sequence with steps that are NaN throughout. The filling has no part in the answer: it does not
depend on how far a sequence was filled up.

The cell is one of ``torch.nn``: its parameters are ``recurrent.weight_ih_l0`` and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gradatim.core.spec import Kind, Spec, Task
from gradatim.errors import UsageError, ValueRefusedError
from gradatim.models.continuing import continue_tokens
from gradatim.models.initialisation import fill
from gradatim.models.network import Network

PADDING = 0
"""The token that fills up shorter texts; a vocabulary starts with it."""

State = Any
"""Hidden state ``layers x B x hidden`` (an LSTM's: a pair with the cell state)."""


class Recurrent(Network):
    """A recurrent layer over the steps, then a dense layer on its last or on each step.

    Classification and regression read the state after the last true step (of both directions,
    where there are two); a next-token model answers at every step.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("classification", "regression", "next-token")
    kinds: ClassVar[tuple[Kind, ...]] = ("sequence", "text")
    full_input = (28, 28)
    full_outputs = 10
    cell: ClassVar[type[nn.RNNBase]]

    def __init__(
        self,
        spec: Spec,
        hidden: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        embedding: int,
        initialisation: str,
        **cell: Any,
    ) -> None:
        super().__init__()
        if spec.kind == "text" and spec.vocabulary < 2:
            raise ValueRefusedError(
                "a text needs a vocabulary of at least two tokens", given=spec.vocabulary
            )
        if spec.task == "next-token" and bidirectional:
            raise ValueRefusedError(
                "a network that reads in both directions would see the token it is to predict",
                given="bidirectional",
                next_step="set model.bidirectional=false",
            )
        self.every_step = spec.task == "next-token"
        self.embedding = (
            nn.Embedding(spec.vocabulary, embedding) if spec.kind == "text" else nn.Identity()
        )
        make: Callable[..., nn.RNNBase] = self.cell
        self.recurrent = make(
            embedding if spec.kind == "text" else spec.shape[1],
            hidden,
            num_layers=layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
            **cell,
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden * (2 if bidirectional else 1), spec.outputs)
        self._start(initialisation)

    def _start(self, initialisation: str) -> None:
        """Start the weights of the cell by a rule (its biases at 0), or leave PyTorch's start."""
        if initialisation in ("auto", "pytorch"):
            return
        rule = fill(initialisation)
        with torch.no_grad():
            for name, parameter in self.recurrent.named_parameters():
                if name.startswith("weight"):
                    rule(parameter)
                else:
                    parameter.zero_()

    @classmethod
    def full_spec(cls) -> Spec:
        """Return rows of a 28 x 28 picture as 28 steps of 28 numbers, ten classes."""
        return Spec("classification", "sequence", cls.full_input, tuple("0123456789"))

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the scores.

        Args:
            inputs: ``B x steps x features``, or tokens ``B x steps``.
            lengths: true steps of each sample, ``B``; found from the filling when None.

        Returns:
            ``B x outputs``; of a next-token model ``B x steps x vocabulary``.
        """
        if self.every_step:
            return self.continue_from(inputs, None)[0]
        lengths = lengths_of(inputs) if lengths is None else lengths
        scores: Tensor = self.output(self.dropout(self._run(inputs, lengths)[1]))
        return scores

    def states(self, inputs: Tensor) -> Tensor:
        """Return the top layer's hidden state after every step, ``B x steps x hidden``."""
        return self._run(inputs, lengths_of(inputs))[0]

    def continue_from(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the scores at every step and the state after the last, to go on from.

        Truncated back-propagation through time hands the state on to the next piece of the text
        after ``detach_state``.

        Args:
            tokens: ``B x steps``, without filling.
            state: the state before the first step; None stands for zeros.
        """
        hidden, state = self.recurrent(self.embedding(tokens), state)
        scores: Tensor = self.output(self.dropout(hidden))
        return scores, state

    def sample(
        self, start: Sequence[int], count: int, *, temperature: float = 1.0, seed: int = 0
    ) -> list[int]:
        """Continue a text, token by token, each drawn from the probabilities of the one before.

        Args:
            start: tokens to begin with, at least one.
            count: tokens to add.
            temperature: divides the scores; below 1 the likely tokens become likelier, at 0 the
                likeliest is always taken.
            seed: of the draws; the same seed gives the same text.

        Returns:
            The tokens added.

        Raises:
            UsageError: the model does not predict tokens, or there is no start.
        """
        if not self.every_step:
            raise UsageError("this model does not continue texts", given=type(self).__name__)
        place = self.output.weight.device
        return continue_tokens(self, start, count, temperature=temperature, seed=seed, place=place)

    @property
    def _both_ways(self) -> bool:
        return bool(self.recurrent.bidirectional)

    def _run(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Run over the true steps: the top layer's states (0 beyond the end), and the last of them.

        In one direction a state does not depend on what follows: the filling is run over too, and
        what came of it left aside, which is ten times as fast on a processor as leaving it out
        (packed sequences). The other direction has to begin at the true end.
        """
        steps = inputs.shape[1]
        whole = inputs.is_meta or bool((lengths == steps).all())
        if inputs.is_floating_point() and not whole:
            inputs = inputs.nan_to_num(nan=0.0)
        embedded = self.embedding(inputs)
        if whole or not self._both_ways:
            hidden, state = self.recurrent(embedded)
            if whole:
                return hidden, self._top(state)
            within = torch.arange(steps, device=inputs.device) < lengths[:, None]
            rows = torch.arange(len(inputs), device=inputs.device)
            return hidden * within[..., None], hidden[rows, lengths - 1]
        packed = pack_padded_sequence(
            embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        out, state = self.recurrent(packed)
        hidden, _ = pad_packed_sequence(out, batch_first=True, total_length=steps)
        return hidden, self._top(state)

    def _top(self, state: State) -> Tensor:
        """Return the top layer's last state, of both directions where there are two."""
        hidden = state[0] if isinstance(state, tuple) else state
        return torch.cat([hidden[-2], hidden[-1]], dim=1) if self._both_ways else hidden[-1]


def lengths_of(inputs: Tensor) -> Tensor:
    """Return the true steps of each sample, ``B``; at least 1.

    Args:
        inputs: tokens ``B x steps``, filled up with 0; or ``B x steps x features``, filled up with
            steps that are NaN throughout.
    """
    if inputs.is_meta:
        return torch.full((len(inputs),), inputs.shape[1], device="meta")
    true = inputs != PADDING if inputs.ndim == 2 else ~inputs.isnan().all(dim=2)
    positions = torch.arange(1, inputs.shape[1] + 1, device=inputs.device)
    return (true * positions).amax(dim=1).clamp_min(1)


def detach_state(state: State) -> State:
    """Return the state cut off from the steps it came from."""
    if isinstance(state, tuple):
        return tuple(part.detach() for part in state)
    return state.detach()
