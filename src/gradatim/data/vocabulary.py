"""Vocabulary: the tokens a model knows, pinned in their order, and how a text becomes tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Unit = Literal["characters", "words"]

PADDING, UNKNOWN = 0, 1
"""Indices of what fills up shorter texts, and of every token that training did not show."""
RESERVED = 2
"""The first token's index."""
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands for an unknown token where tokens become a text again."""
MOST_WORDS = 20_000
"""Kept by default; the rarer ones count as unknown."""
LEAST_COUNT = 2
"""A word seen once is unknown, so that training shows what an unknown word is like."""

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Vocabulary:
    """The known tokens in sorted order; the first has index 2, after padding and unknown.

    Attributes:
        unit: what a token is. Words are runs of letters and digits in lower case; every other
            sign but a space is a token of its own.
        tokens: sorted by code points.
    """

    unit: Unit
    tokens: tuple[str, ...]
    _indices: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        indices = {token: index for index, token in enumerate(self.tokens, start=RESERVED)}
        object.__setattr__(self, "_indices", indices)

    def __len__(self) -> int:
        """Return the number of indices, padding and unknown included."""
        return RESERVED + len(self.tokens)

    @classmethod
    def learn(cls, unit: Unit, texts: Iterable[str], most: int | None = None) -> Vocabulary:
        """Return the vocabulary of texts: all characters, or the words that are frequent enough.

        Args:
            unit: what a token is.
            texts: of the training part.
            most: at most so many tokens, the most frequent (of equals the first in order).
        """
        counts = Counter(token for text in texts for token in split(text, unit))
        if unit == "words":
            frequent = {token: n for token, n in counts.items() if n >= LEAST_COUNT}
            counts = Counter(frequent or counts)
            most = most or MOST_WORDS
        kept = sorted(counts, key=lambda token: (-counts[token], token))[:most]
        return cls(unit, tuple(sorted(kept)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; all characters together are one text."""
        tokens = "".join(self.tokens) if self.unit == "characters" else list(self.tokens)
        return {"unit": self.unit, "tokens": tokens}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Vocabulary:
        """Read what ``to_dict`` wrote."""
        return cls(values["unit"], tuple(values["tokens"]))

    def encode(self, text: str) -> np.ndarray:
        """Return the indices of the tokens of a text, int32."""
        tokens = split(text, self.unit)
        found = (self._indices.get(token, UNKNOWN) for token in tokens)
        return np.fromiter(found, np.int32, len(tokens))

    def encode_all(self, texts: Sequence[str], length: int) -> np.ndarray:
        """Return texts as ``N x length`` int32, cut, or filled up with padding, at their end."""
        rows = np.full((len(texts), length), PADDING, np.int32)
        for row, text in zip(rows, texts, strict=True):
            tokens = self.encode(text)[:length]
            row[: len(tokens)] = tokens
        return rows

    def decode(self, indices: Iterable[int]) -> str:
        """Return the text of tokens; words are put together with a space between."""
        names = ("", UNREADABLE, *self.tokens)
        return ("" if self.unit == "characters" else " ").join(names[index] for index in indices)


def split(text: str, unit: Unit) -> Sequence[str]:
    """Return the tokens of a text in order."""
    return text if unit == "characters" else _WORD.findall(text.lower())


LEAST_WORDS = 4
"""Texts of fewer words on average (names, codes) are cut into characters."""
LONGEST_WORD = 15
"""Likewise texts whose words are longer on average: they are written without spaces."""


def choose_unit(texts: Sequence[str]) -> tuple[Unit, str]:
    """Return what texts are cut into, and why."""
    words = [len(text.split()) for text in texts]
    mean = float(np.mean(words)) if words else 0.0
    signs = sum(len(text) for text in texts) / max(sum(words), 1)
    if mean < LEAST_WORDS:
        return "characters", f"the texts are short: {mean:.1f} words on average"
    if signs > LONGEST_WORD:
        return "characters", "the texts are written without spaces between words"
    return "words", f"the texts have {mean:.0f} words on average"
