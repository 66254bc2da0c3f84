"""The bag of tokens: which tokens a text has, not in which order."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from gradatim.core.spec import Kind, Spec
from gradatim.models.network import Network

PADDING = 0


class BagOfTokens(Network):
    """Linear model of a text's tokens: their weights added up, order left aside.

    The scores are b + sum over the tokens of W[token], divided by the root of their number: the sum
    of n weights that do not agree grows with the root of n. It is softmax (or linear) regression on
    the counts of the tokens; padding counts nothing. All weights start at 0.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    full_input = (200,)
    full_outputs = 2

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.weights = nn.Embedding(spec.vocabulary, spec.outputs, padding_idx=PADDING)
        self.bias = nn.Parameter(torch.zeros(spec.outputs))
        nn.init.zeros_(self.weights.weight)

    @classmethod
    def full_spec(cls) -> Spec:
        """Return texts of 200 tokens from a vocabulary of 20,000, two classes."""
        return Spec("classification", "text", cls.full_input, ("0", "1"), vocabulary=20_000)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the scores ``B x outputs`` of tokens ``B x steps``."""
        lengths = (inputs != PADDING).sum(dim=1, keepdim=True).clamp_min(1)
        scores: Tensor = self.weights(inputs).sum(dim=1) / lengths.sqrt() + self.bias
        return scores
