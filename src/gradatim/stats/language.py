"""How well the next token of a text is foretold: bits a character and perplexity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradatim.errors import ValueRefusedError
from gradatim.stats.intervals import Interval
from gradatim.stats.resampling import bootstrap

METRIC = "bits-per-character"


@dataclass(frozen=True)
class LanguageReport:
    """A model of the next character measured on N passages of a text.

    Attributes:
        bits: a character, as if the text were written down with the model's probabilities.
        characters: that were foretold.
    """

    bits: Interval
    characters: int

    @property
    def perplexity(self) -> Interval:
        """Two to the power of the bits: among so many characters one could as well have guessed."""
        value, low, high = (2.0**bits for bits in (self.bits.value, self.bits.low, self.bits.high))
        return Interval(value, low, high, self.bits.level, self.bits.n)

    def to_event(self) -> dict[str, Any]:
        """Return the fields of the Record's ``test`` event, plain values for JSON."""
        perplexity = self.perplexity
        return {
            "samples": self.bits.n,
            "metric": METRIC,
            "value": self.bits.value,
            "low": self.bits.low,
            "high": self.bits.high,
            "language": {
                "characters": self.characters,
                "perplexity": perplexity.value,
                "interval": [perplexity.low, perplexity.high],
            },
        }


def language_report(log_probabilities: ArrayLike, seed: int = 0) -> LanguageReport:
    """Measure a model of the next character.

    Neighbouring characters are hard or easy together, so the interval comes from drawing whole
    passages (a bootstrap of blocks, Kuensch 1989).

    Args:
        log_probabilities: ``N passages x steps``, the natural logarithm of the probability that
            each right character was given.
        seed: of the bootstrap.

    Raises:
        ValueRefusedError: no passages, or numbers that no probability has as logarithm.
    """
    logs = _checked(log_probabilities)
    return LanguageReport(bootstrap(_mean, _bits(logs), seed=seed, unit="bits"), logs.size)


def bits_saved(before: ArrayLike, after: ArrayLike, seed: int = 0) -> Interval:
    """Return the bits a character that one model needs less than another, on the same passages.

    Args:
        before: of the one, as in ``language_report``.
        after: of the other.
        seed: of the bootstrap.

    Raises:
        ValueRefusedError: as ``language_report``, or the passages differ.
    """
    first, second = _checked(before), _checked(after)
    if first.shape != second.shape:
        raise ValueRefusedError(
            "the models were measured on different passages",
            given=f"shapes {first.shape} and {second.shape}",
        )
    return bootstrap(_mean, _bits(first) - _bits(second), seed=seed, unit="bits")


def _bits(logs: np.ndarray) -> np.ndarray:
    """Return the mean bits a character of each passage."""
    bits: np.ndarray = -logs.mean(axis=1) / math.log(2)
    return bits


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _checked(log_probabilities: ArrayLike) -> np.ndarray:
    logs = np.asarray(log_probabilities, np.float64)
    if logs.ndim != 2 or not logs.size:
        raise ValueRefusedError(
            "log probabilities of passages are needed",
            given=f"shape {logs.shape}",
            allowed="N passages x steps",
        )
    if np.isnan(logs).any() or logs.max() > 1e-6:
        raise ValueRefusedError("logarithms of probabilities are at most 0", given=logs.max())
    return logs
