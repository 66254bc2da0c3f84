"""Mean and deviation of the training samples, a block at a time so that memory stays small."""

from __future__ import annotations

import numpy as np

BLOCK_BYTES = 2**24


def histogram(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Count each pixel value of each channel.

    Args:
        images: ``N x H x W x C`` uint8.
        rows: which images.

    Returns:
        ``C x 256`` int64.
    """
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for block in _blocks(images, rows):
        counts += value_counts(images[block])
    return counts


def value_counts(images: np.ndarray) -> np.ndarray:
    """Count each pixel value of each channel of a few images, ``N x H x W x C`` uint8.

    Two neighbouring values are counted as one of 65,536: a fifth of the time of single ones.

    Returns:
        ``C x 256`` int64.
    """
    flat = images.reshape(-1, images.shape[-1])
    counts = np.zeros((flat.shape[1], 256), np.int64)
    even = len(flat) // 2 * 2
    for channel in range(flat.shape[1]):
        values = np.ascontiguousarray(flat[:, channel])
        pairs = np.bincount(values[:even].view(np.uint16), minlength=2**16).reshape(256, 256)
        counts[channel] = pairs.sum(axis=0) + pairs.sum(axis=1)
        if even < len(flat):
            counts[channel, values[-1]] += 1
    return counts


def of_images(images: np.ndarray, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each channel, of pixels scaled to 0 .. 1, exact by counting.

    A channel of one value gets deviation 1, so that it becomes 0 and not NaN.
    """
    counts = histogram(images, rows).astype(np.float64)
    values = np.arange(256) / 255.0
    total = counts.sum(axis=1)
    mean = counts @ values / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / total
    return _plain(mean), _plain(np.where(variance > 0, np.sqrt(variance), 1.0))


def of_vectors(
    vectors: np.ndarray, rows: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each feature, in double precision, in two passes.

    A feature that is only 0 or 1 keeps mean 0 and deviation 1: a rare category must not become a
    huge number. A feature of one value gets deviation 1.
    """
    width = vectors.shape[1]
    total, squares = np.zeros(width), np.zeros(width)
    binary = np.ones(width, dtype=bool)
    for block in _blocks(vectors, rows):
        values = vectors[block].astype(np.float64)
        total += values.sum(axis=0)
        binary &= ((values == 0) | (values == 1)).all(axis=0)
    mean = total / len(rows)
    for block in _blocks(vectors, rows):
        squares += ((vectors[block] - mean) ** 2).sum(axis=0)
    std = np.sqrt(squares / len(rows))
    # Below this a deviation is what rounding left of a constant.
    std = np.where(std > 1e-7 * np.maximum(np.abs(mean), 1e-30), std, 1.0)
    return _plain(np.where(binary, 0.0, mean)), _plain(np.where(binary, 1.0, std))


def of_sequences(
    sequences: np.ndarray, rows: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each feature over all steps of some series, as ``of_vectors``.

    Args:
        sequences: ``N x T x F``; what is missing, or beyond the end of a series, is NaN.
        rows: which series.
    """
    chosen = sequences[rows].reshape(-1, sequences.shape[2])
    mean: list[float] = []
    std: list[float] = []
    for values in chosen.T:
        present = values[~np.isnan(values)][:, None]
        found = of_vectors(present, np.arange(len(present))) if len(present) else ((0.0,), (1.0,))
        mean += found[0]
        std += found[1]
    return tuple(mean), tuple(std)


def _blocks(array: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    row_bytes = max(1, array[:1].nbytes)
    size = max(1, BLOCK_BYTES // row_bytes)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
