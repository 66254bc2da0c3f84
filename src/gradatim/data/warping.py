"""Affine maps of images: rotation and scale about the middle, bilinear, whole batches at once."""

from __future__ import annotations

import numpy as np

from gradatim.data.pixels import whole_pixels


def rotate(images: np.ndarray, degrees: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """Return images turned about their middle, and enlarged, at their own size.

    Pixels are squares with their centres at half-integers; a new pixel is read between the four
    centres around the place it comes from; beyond the image its edge goes on, so that no corner
    turns black. Nothing is smoothed before it is made smaller.

    Args:
        images: ``N x H x W x C`` uint8.
        degrees: N angles, counter-clockwise.
        scale: N factors, above 1 larger; all 1 when None.

    Returns:
        ``N x H x W x C`` float32 from 0 to 255.
    """
    count, rows, columns, channels = images.shape
    factors = np.ones(count) if scale is None else np.asarray(scale, np.float64)
    angles = np.deg2rad(np.asarray(degrees, np.float64))
    down = (np.arange(rows) - (rows - 1) / 2)[:, None]
    right = (np.arange(columns) - (columns - 1) / 2)[None, :]
    pixels = whole_pixels(np.ascontiguousarray(images))
    turned = np.empty((count, rows * columns, channels), np.float32)
    # One sample at a time stays in the processor's cache; each step treats a whole image.
    for sample in range(count):
        cosine, sine = (f(angles[sample]) / factors[sample] for f in (np.cos, np.sin))
        row = (rows - 1) / 2 + sine * right + cosine * down
        column = (columns - 1) / 2 + cosine * right - sine * down
        turned[sample] = _read(pixels[sample], row, column, channels)
    return turned.reshape(images.shape)


def _read(pixels: np.ndarray, row: np.ndarray, column: np.ndarray, channels: int) -> np.ndarray:
    """Return the values of one image at places between its pixels: ``(H * W) x C`` float32."""
    rows, columns = pixels.shape
    row, column = row.clip(0, rows - 1).ravel(), column.clip(0, columns - 1).ravel()
    upper, left = row.astype(np.intp), column.astype(np.intp)
    lower, after = np.minimum(upper + 1, rows - 1), np.minimum(left + 1, columns - 1)
    down, right = (row - upper).astype(np.float32), (column - left).astype(np.float32)
    flat = pixels.ravel()
    values = np.zeros((len(row), channels), np.float32)
    for first, vertical in ((upper, 1 - down), (lower, down)):
        for second, horizontal in ((left, 1 - right), (after, right)):
            corner = flat.take(first * columns + second).view(np.uint8).reshape(-1, channels)
            values += corner * (vertical * horizontal)[:, None]
    return values
