"""The n-gram model: the next token from the few before it, by counting.

Interpolated modified Kneser-Ney smoothing (Kneser and Ney 1995; Chen and Goodman 1999, "An
empirical study of smoothing techniques for language modeling", section 3). Of every count c of an
n-gram (context, token) a discount D(c) is taken away, and what was taken is shared out by the model
of one token less:

    p(w | context) = (c(context w) - D(c)) / c(context) + left(context) p(w | shorter context)

The shorter contexts do not count how often an n-gram occurs but after how many different tokens:
"Francisco" is frequent, but only after "San". The last one shares out evenly over the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from gradatim.core.spec import Kind, Spec, Task
from gradatim.errors import ValueRefusedError
from gradatim.models.continuing import continue_tokens
from gradatim.models.network import Network
from gradatim.models.options import Between

LONGEST = 8
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts of counts 1, 2 and more where the counts of counts give none (as KenLM's default)."""
_KINDS = ("contexts", "starts", "tokens", "shares", "left")


class NGram(Network):
    """Counts of n tokens in a row, smoothed by the interpolated modified Kneser-Ney method.

    Options:
        order: n: tokens counted together, the next one included.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("next-token",)
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    full_input = (128,)
    full_outputs = 100
    sized_by_weights = frozenset(
        f"{kind}{order}" for kind in _KINDS for order in range(2, LONGEST + 1)
    )
    shares1: Tensor

    def __init__(self, spec: Spec, *, order: Annotated[int, Between(1, LONGEST + 1)] = 5) -> None:
        super().__init__()
        if spec.vocabulary**order >= 2**63:
            raise ValueRefusedError(
                f"{spec.vocabulary:,} different tokens are too many to count {order} together",
                given=order,
                allowed="a smaller option order",
            )
        self.order = order
        self.vocabulary = spec.vocabulary
        # Shares of the tokens without a context; then, for each order, the contexts as numbers in
        # base `vocabulary`, where their tokens start, these tokens, their shares, what is left.
        self.register_buffer("shares1", torch.full((spec.vocabulary,), 1.0 / spec.vocabulary))
        for n in range(2, order + 1):
            empty = torch.zeros(0, dtype=torch.int64)
            self.register_buffer(f"contexts{n}", empty.clone())
            self.register_buffer(f"starts{n}", torch.zeros(1, dtype=torch.int64))
            self.register_buffer(f"tokens{n}", empty.clone())
            self.register_buffer(f"shares{n}", torch.zeros(0))
            self.register_buffer(f"left{n}", torch.zeros(0))

    @classmethod
    def full_spec(cls) -> Spec:
        """Return characters of a vocabulary of 100."""
        return Spec("next-token", "text", cls.full_input, vocabulary=cls.full_outputs)

    @property
    def solved(self) -> bool:
        """True: one pass over the text."""
        return True

    def solve(self, batches: Iterable[Any]) -> dict[str, float]:
        """Count the text of the batches ``(tokens B x steps, next tokens, indices)``.

        The rows are put in the order of their indices; without indices, in that of the batches.

        Returns:
            ``tokens`` of the text, and ``ngrams``, the different ones of the highest order.
        """
        text = _text_of(batches)
        top = self.order
        grams = [_grams(text, n, self.vocabulary) for n in range(1, top + 1)]
        for n in range(top, 0, -1):
            if n == top:
                keys, counts = np.unique(grams[n - 1], return_counts=True)
            else:  # after how many different tokens
                longer = np.unique(grams[n])
                keys, counts = np.unique(longer % self.vocabulary**n, return_counts=True)
            self._keep(n, keys, counts)
            if n == top:
                found = len(keys)
        return {"tokens": float(len(text)), "ngrams": float(found)}

    def _keep(self, n: int, keys: np.ndarray, counts: np.ndarray) -> None:
        """Keep the shares of the n-grams of one order, discounted."""
        contexts, starts = np.unique(keys // self.vocabulary, return_index=True)
        taken = np.array((0.0, *discounts(counts)))[counts.clip(max=3)]
        totals = np.add.reduceat(counts, starts).astype(np.float64)
        owner = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(keys)))
        shares = (counts - taken) / totals[owner]
        left = np.add.reduceat(taken, starts) / totals
        tokens = keys % self.vocabulary
        if n == 1:
            even = torch.full((self.vocabulary,), float(left[0]) / self.vocabulary)
            even[torch.from_numpy(tokens)] += torch.from_numpy(shares).float()
            self.shares1 = even.to(self.shares1.device)
            return
        kept = (contexts, np.append(starts, len(keys)), tokens, shares, left)
        for kind, values in zip(_KINDS, kept, strict=True):
            tensor = torch.from_numpy(values)
            tensor = tensor.float() if tensor.is_floating_point() else tensor
            setattr(self, f"{kind}{n}", tensor.to(self.shares1.device))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return log probabilities of the token after each, ``B x steps x vocabulary``."""
        return self.continue_from(inputs, None)[0]

    def continue_from(self, tokens: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the log probabilities after every token, and the last tokens to go on from.

        Args:
            tokens: ``B x steps``.
            state: the ``order - 1`` tokens before the first, ``1 x B x (order - 1)``; -1 or None
                where there are none.
        """
        rows, steps = tokens.shape
        if state is None:
            state = tokens.new_full((1, rows, self.order - 1), -1)
        known = torch.cat([state[0], tokens], dim=1)
        shares = self.shares1.repeat(rows * steps, 1)
        key = torch.zeros_like(tokens)
        whole = torch.ones_like(tokens, dtype=torch.bool)
        for n in range(2, self.order + 1):
            back = self.order - n + 1  # the token n - 2 before the last
            token = known[:, back : back + steps]
            whole = whole & (token >= 0)
            key = key + token * self.vocabulary ** (n - 2)
            self._lengthen(n, shares, torch.where(whole, key, -1).reshape(-1))
        last = known[:, steps:] if self.order > 1 else known[:, :0]
        return shares.log().reshape(rows, steps, -1), last[None]

    def _lengthen(self, n: int, shares: Tensor, keys: Tensor) -> None:
        """Go on from shares of the shorter contexts to those of ``n - 1`` tokens, where known."""
        contexts = getattr(self, f"contexts{n}")
        if not len(contexts) or keys.is_meta:
            return
        places = torch.searchsorted(contexts, keys).clamp_max(len(contexts) - 1)
        rows = (contexts[places] == keys).nonzero()[:, 0]
        places = places[rows]
        starts = getattr(self, f"starts{n}")
        lengths = starts[places + 1] - starts[places]
        before = lengths.cumsum(0) - lengths
        entries = torch.arange(int(lengths.sum()), device=keys.device)
        entries = entries + (starts[places] - before).repeat_interleave(lengths)
        shares[rows] *= getattr(self, f"left{n}")[places, None]
        owner = rows.repeat_interleave(lengths)
        shares[owner, getattr(self, f"tokens{n}")[entries]] += getattr(self, f"shares{n}")[entries]

    def sample(
        self, start: Sequence[int], count: int, *, temperature: float = 1.0, seed: int = 0
    ) -> list[int]:
        """Continue a text, see ``continuing.continue_tokens``."""
        place = self.shares1.device
        return continue_tokens(self, start, count, temperature=temperature, seed=seed, place=place)


def discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """Return what is taken from counts of 1, 2, and 3 or more (Chen and Goodman 1999, eq. 17).

    With n_k n-grams of count k and Y = n_1 / (n_1 + 2 n_2): D_k = k - (k + 1) Y n_(k+1) / n_k.
    """
    n1, n2, n3, n4 = (float((counts == k).sum()) for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    usable = all(0 <= discount <= k for k, discount in enumerate(found, start=1))
    return found if usable else FALLBACK


def _grams(text: np.ndarray, n: int, base: int) -> np.ndarray:
    """Return every n tokens in a row as one number."""
    keys = np.zeros(max(len(text) - n + 1, 0), np.int64)
    for offset in range(n):
        keys = keys * base + text[offset : offset + len(keys)]
    return keys


def _text_of(batches: Iterable[Any]) -> np.ndarray:
    """Return the tokens of all rows as one text: the first row, then what follows in each."""
    inputs, targets, order = [], [], []
    for batch in batches:
        inputs.append(np.asarray(batch[0]))
        targets.append(np.asarray(batch[1]))
        order.append(np.asarray(batch[2]) if len(batch) > 2 else np.zeros(len(batch[0]), np.int64))
    rows = np.argsort(np.concatenate(order), kind="stable")
    first = np.concatenate(inputs)[rows[0], :1]
    return np.concatenate([first, np.concatenate(targets)[rows].reshape(-1)]).astype(np.int64)
