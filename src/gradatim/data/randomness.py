"""Randomness as a function: the same (seed, epoch, purpose, position) always gives the same draw.

Philox (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") is a
bijection from a counter to random bits. Seed, epoch and purpose make its key, the position of a
sample in the epoch's order makes its counter; so the draws of any stretch of positions are read
directly, whatever was read before, in whichever batch, thread or process. NumPy promises that the
bits of its Philox never change, which it does not promise of its distributions: so only raw bits
are used here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_WORDS_PER_COUNT = 4  # one value of the Philox 4x64 counter gives four words of 64 bits
_STRETCH = 4096  # positions whose draws are made together: those of the batches to come are there


def _words(seed: int, epoch: int, purpose: str, first: int, count: int) -> np.ndarray:
    """Return ``count * 4`` random words (uint64): those of the counters ``first ...``."""
    stream = (epoch % 2**32) << 32 | zlib.crc32(purpose.encode())
    generator = np.random.Philox(key=stream << 64 | seed % 2**64, counter=first)
    words: np.ndarray = generator.random_raw(count * _WORDS_PER_COUNT)
    return words


def uniform(
    seed: int, epoch: int, purpose: str, first_position: int, count: int, draws_per_sample: int
) -> np.ndarray:
    """Return uniform draws for the samples at ``count`` positions of an epoch's order.

    Args:
        seed: of the run; taken modulo 2^64.
        epoch: taken modulo 2^32.
        purpose: what the draws are for; another word gives independent draws.
        first_position: position of the first sample, counted from 0.
        count: number of samples.
        draws_per_sample: number of draws for each.

    Returns:
        float64 in [0, 1), ``count x draws_per_sample``.
    """
    counts = -(-draws_per_sample // _WORDS_PER_COUNT)
    words = _words(seed, epoch, purpose, first_position * counts, count * counts)
    words = words.reshape(count, counts * _WORDS_PER_COUNT)[:, :draws_per_sample]
    draws: np.ndarray = (words >> np.uint64(11)) * 2.0**-53
    return draws


def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """Return the order in which an epoch visits ``n`` samples: a permutation, int64.

    Each index sits in the low bits of a word whose high bits are random, and the words are
    sorted: no two are equal, so the order does not depend on the sorting algorithm.
    """
    bits = np.uint64(max(n - 1, 1).bit_length())
    words = _words(seed, epoch, "permutation", 0, -(-n // _WORDS_PER_COUNT))[:n]
    words = words >> bits << bits | np.arange(n, dtype=np.uint64)
    words.sort()
    return (words & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)


@dataclass(frozen=True)
class Draws:
    """The draws of ``count`` neighbouring positions of one epoch's order.

    Attributes:
        seed, epoch: as in ``uniform``.
        first: position of the first sample.
        count: number of samples.
        total: length of the order; after its last position comes the first again.
    """

    seed: int
    epoch: int
    first: int
    count: int
    total: int

    def uniform(self, purpose: str, per_sample: int) -> np.ndarray:
        """Return float64 in [0, 1), ``count x per_sample``."""
        before_end = min(self.count, self.total - self.first)
        stretches = [(self.first, before_end), (0, self.count - before_end)]
        drawn = [
            self._stretch(purpose, first, count, per_sample) for first, count in stretches if count
        ]
        return drawn[0] if len(drawn) == 1 else np.concatenate(drawn)

    def _stretch(self, purpose: str, first: int, count: int, per_sample: int) -> np.ndarray:
        """Return the draws of ``count`` neighbouring positions, ``count x per_sample``."""
        drawn = [
            _drawn(self.seed, self.epoch, purpose, start, per_sample)[
                max(first - start, 0) : first + count - start
            ]
            for start in range(first // _STRETCH * _STRETCH, first + count, _STRETCH)
        ]
        return drawn[0] if len(drawn) == 1 else np.concatenate(drawn)


@lru_cache(maxsize=16)
def _drawn(seed: int, epoch: int, purpose: str, first: int, per_sample: int) -> np.ndarray:
    """Return the draws of a whole stretch, not to be written to."""
    draws = uniform(seed, epoch, purpose, first, _STRETCH, per_sample)
    draws.flags.writeable = False
    return draws
