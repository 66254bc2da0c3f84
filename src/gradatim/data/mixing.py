"""Mix-up and cut-mix: a sample and its target blended with those of another.

The other sample of the one at a position is the next in the epoch's order (after the last comes the
first). The order is random, so this is a random other sample; and unlike a partner drawn inside
the batch it does not depend on where batches begin.
"""

from __future__ import annotations

import numpy as np

from gradatim.data.augment import Augmentation, Boxes, inside
from gradatim.data.pixels import whole_pixels
from gradatim.data.randomness import Draws


def mix(
    inputs: np.ndarray, targets: np.ndarray, augmentation: Augmentation, draws: Draws
) -> tuple[np.ndarray, np.ndarray]:
    """Return N mixed samples of N + 1 neighbours in the order.

    Mix-up (Zhang, Cisse, Dauphin and Lopez-Paz 2018) takes ``share * x + (1 - share) * other``
    with the share from Beta(alpha, alpha). Cut-mix (Yun et al. 2019) pastes a rectangle of the
    other, of area ``1 - share`` before it is cut at the image's edge; the targets are mixed by the
    area that is left.

    Args:
        inputs: ``(N + 1) x ...`` float32; cut-mix takes ``(N + 1) x H x W x C``.
        targets: ``(N + 1) x K`` float32: shares of the classes; or ``N + 1`` values.
        augmentation: with ``mixup`` or ``cutmix`` above 0.
        draws: of the N + 1 positions.

    Returns:
        inputs ``N x ...`` and targets ``N x K`` or ``N``, float32.
    """
    own, other = inputs[:-1], inputs[1:]
    kind, quantile, *centre = draws.uniform("mixing", 4)[:-1].T
    cut = _cuts(augmentation, kind)
    share = np.where(
        cut, _beta(augmentation.cutmix, quantile), _beta(augmentation.mixup, quantile)
    ).astype(np.float32)
    blend = np.where(cut, np.float32(1), share)
    mixed = own * _along(blend, own)
    if not cut.all():
        mixed += other * _along(1 - blend, other)
    if cut.any():
        pasted = _rectangles(np.where(cut, 1 - share, 0), *centre, *own.shape[1:3])
        np.copyto(whole_pixels(mixed), whole_pixels(other), where=pasted)
        share = np.where(cut, 1 - pasted.mean(axis=(1, 2)), share).astype(np.float32)
    weight = _along(share, targets[:-1])
    return mixed, targets[:-1] * weight + targets[1:] * (1 - weight)


def _cuts(augmentation: Augmentation, kind: np.ndarray) -> np.ndarray:
    """Return which samples are cut-mixed; the others are mixed up."""
    if augmentation.mixup > 0 and augmentation.cutmix > 0:
        return kind < 0.5
    return np.full(len(kind), augmentation.cutmix > 0)


def _beta(alpha: float, quantile: np.ndarray) -> np.ndarray:
    """Return draws of Beta(alpha, alpha) by its inverse distribution; all 1 for alpha 0."""
    if alpha == 0:
        return np.ones_like(quantile)
    from scipy.special import betaincinv

    drawn: np.ndarray = betaincinv(alpha, alpha, quantile)
    return drawn


def _rectangles(
    area: np.ndarray, down: np.ndarray, right: np.ndarray, rows: int, columns: int
) -> np.ndarray:
    """Return the pixels of rectangles with these areas (shares of the image) and random centres.

    They keep the image's aspect and are cut at its edge: booleans ``N x rows x columns``.
    """
    height, width = np.floor(np.sqrt(area) * rows), np.floor(np.sqrt(area) * columns)
    top = np.floor(down * rows) - np.floor(height / 2)
    left = np.floor(right * columns) - np.floor(width / 2)
    return inside(Boxes(top, left, height, width), rows, columns)


def _along(values: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Shape N values so that they multiply samples ``N x ...``."""
    return values.reshape(-1, *(1,) * (samples.ndim - 1))
