"""Samples of different length in one array: filled up at their end, cut by the batch.

Texts are filled up with the token 0, series with steps that are NaN throughout. Models find the
true length from the filling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradatim.data.randomness import permutation

POOL = 50
"""Batches that are sorted by length together: few enough that the order stays random."""


def fill_up(sequences: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Return series as ``N x length x F`` float32, cut, or filled up with NaN, at their end."""
    width = sequences[0].shape[1] if len(sequences) else 1
    rows = np.full((len(sequences), length, width), np.nan, np.float32)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence[:length]
    return rows


def lengths_of(stored: np.ndarray) -> np.ndarray:
    """Return the true steps of each sample, ``N`` int64, at least 1.

    Args:
        stored: tokens ``N x steps``, or series ``N x steps x F``.
    """
    true = stored != 0 if stored.ndim == 2 else ~np.isnan(stored).all(axis=2)
    if true.shape[1] == 0:
        return np.ones(len(stored), np.int64)
    last = true.shape[1] - true[:, ::-1].argmax(axis=1)
    return np.where(true.any(axis=1), last, 1).astype(np.int64)


def by_length(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, seed: int, epoch: int
) -> np.ndarray:
    """Return the order changed so that samples of like length share a batch.

    Pools of ``POOL`` batches are sorted by length, and the batches then put in a random order. The
    samples beyond the last whole batch stay at the end. A pure function of its arguments.

    Args:
        order: positions of the samples in the order of the epoch.
        lengths: of the sample at each position.
        batch_size: samples in a batch.
        seed: of the order of the batches.
        epoch: likewise.
    """
    whole = len(order) // batch_size * batch_size
    size = POOL * batch_size
    pools = [order[start : min(start + size, whole)] for start in range(0, whole, size)]
    alike = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
    if not alike:
        return order
    batches = np.concatenate(alike).reshape(-1, batch_size)
    # The order of batches must not follow that of the samples: another epoch number far away.
    mixed = batches[permutation(seed, epoch + 2**31, len(batches))]
    return np.concatenate([mixed.reshape(-1), order[whole:]])
