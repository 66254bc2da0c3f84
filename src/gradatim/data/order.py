"""The order of a store that is larger than memory: shuffled, yet read from the disk in stretches.

A whole shuffle of such a store reads every picture from another place of the disk. In blocks it
is done as PyTorch's shuffle buffers do it, but as a pure function: the store is cut into blocks of
about a mebibyte, the blocks are put in a random order, and the samples of some hundred blocks at a
time are shuffled among each other. While one such pool is trained on, the next is read, block by
block. Which order is taken follows from the sizes once, and is kept in the recipe.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradatim.data.randomness import permutation

BLOCK_BYTES = 2**20
"""Read in one go this takes a disk at most twice as long as the way to it (10 ms, 150 MB/s)."""

POOL_BYTES = 2**28
"""Samples of so many bytes are shuffled among each other: some 250 places of the store at once."""

SHARE = 0.5
"""Of the memory that a store may have before it is read in blocks: the rest is for training."""

PAGE_BYTES = 4096
_EPOCH = 2**30  # an epoch number far away: the order of blocks must not follow that of samples
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def choose_order(stored_bytes: int) -> tuple[str, str]:
    """Return ``shuffled`` or ``blocks`` for a store of this size, and why."""
    memory = memory_bytes()
    if memory is None or stored_bytes <= SHARE * memory:
        return "shuffled", "the samples fit into memory"
    sizes = f"{stored_bytes / 2**30:,.1f} GiB, the memory {memory / 2**30:,.1f}"
    return "blocks", f"the store has {sizes}: it is read from the disk in stretches"


def memory_bytes() -> int | None:
    """Return how much memory this process may have at most; None where the system does not say."""
    found = []
    with suppress(AttributeError, OSError, ValueError):  # there is no sysconf on Windows
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for place in _LIMITS:
        with suppress(OSError, ValueError):  # no such limit, or the word "max"
            found.append(int(Path(place).read_text()))
    return min((size for size in found if size > 0), default=None)


@dataclass(frozen=True)
class Blocks:
    """One epoch's order in blocks.

    Attributes:
        order: positions of the samples, as they are trained on.
        pool: samples that are shuffled among each other.
        _by_block: the same positions pool by pool, but as they lie in the store.
    """

    order: np.ndarray
    pool: int
    _by_block: np.ndarray

    @classmethod
    def of(cls, indices: np.ndarray, sample_bytes: int, seed: int, epoch: int) -> Blocks:
        """Return the order of an epoch, a pure function of the arguments.

        Args:
            indices: row in the store of the sample at each position.
            sample_bytes: of one sample.
            seed: of the run.
            epoch: its number.
        """
        count = len(indices)
        block = max(1, BLOCK_BYTES // sample_bytes)
        pooled = max(1, POOL_BYTES // (block * sample_bytes))  # blocks of a pool
        place = np.empty(count, np.int64)
        place[np.argsort(indices, kind="stable")] = np.arange(count)
        whole = count // block  # what is left beyond whole blocks comes last
        turn = np.full(whole + 1, whole)
        turn[permutation(seed, epoch + _EPOCH, whole)] = np.arange(whole)
        turns = turn[place // block]
        rank = np.empty(count, np.int64)
        rank[permutation(seed, epoch, count)] = np.arange(count)
        return cls(np.lexsort((rank, turns // pooled)), pooled * block, np.lexsort((place, turns)))

    def next_pool(self, first: int, count: int, begins: bool) -> np.ndarray:
        """Return the positions to be read ahead while some samples are trained on.

        They are as many, and a pool further on; at the beginning also those of the pool itself.

        Args:
            first: place in the order of the first sample trained on.
            count: number of them.
            begins: whether nothing has been read ahead so far.
        """
        start = first // self.pool * self.pool if begins else first + self.pool
        return self._by_block[start : first + self.pool + count]


def read_ahead(stored: np.ndarray, rows: np.ndarray) -> None:
    """Let the system read some rows of a memory-mapped array, in order, into its page cache."""
    pages = stored.reshape(len(stored), -1)[:, ::PAGE_BYTES]
    for start in range(0, len(rows), 1024):
        pages[rows[start : start + 1024]].max(initial=0)
