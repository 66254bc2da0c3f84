"""Continuing a text: one token after the other, drawn from what a next-token model answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from gradatim.errors import UsageError


class Continues(Protocol):
    """A model that says how a text goes on, and hands on what it remembers of it."""

    training: bool

    def continue_from(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the scores after every token ``B x steps x vocabulary``, and the state."""

    def train(self, mode: bool = True) -> Any:
        """Set the mode."""


@torch.no_grad()
def continue_tokens(
    model: Continues,
    start: Sequence[int],
    count: int,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    place: torch.device | None = None,
) -> list[int]:
    """Return tokens that continue a text, each drawn from the probabilities after the one before.

    Args:
        model: answers scores.
        start: tokens to begin with, at least one.
        count: tokens to add.
        temperature: divides the scores; below 1 the likely tokens become likelier, at 0 the
            likeliest is always taken.
        seed: of the draws; the same seed gives the same text.
        place: where the model is; the processor when None.

    Raises:
        UsageError: there is no start, or the temperature is below 0.
    """
    if not start or temperature < 0:
        raise UsageError(
            "sampling needs at least one token to start with and a temperature of at least 0"
        )
    was_training = model.training
    model.train(False)
    generator = torch.Generator().manual_seed(seed)
    state, added = None, list[int]()
    tokens = torch.tensor([list(start)], device=place)
    for _ in range(count):
        scores, state = model.continue_from(tokens, state)
        token = _draw(scores[0, -1].float().cpu(), temperature, generator)
        added.append(token)
        tokens = torch.tensor([[token]], device=place)
    model.train(was_training)
    return added


def _draw(scores: Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(scores.argmax())
    probabilities = (scores / temperature).softmax(dim=0)
    return int(torch.multinomial(probabilities, 1, generator=generator))
