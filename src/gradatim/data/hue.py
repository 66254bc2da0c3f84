"""The hue of colour images, turned round the colour wheel."""

from __future__ import annotations

import numpy as np

_SECTORS = 6.0  # red, yellow, green, cyan, blue, magenta


def turn_hue(images: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Return images whose hue is turned; saturation and value (of HSV) stay as they are.

    Source: Smith 1978, "Color gamut transform pairs", SIGGRAPH 12, 12-19 (the hexcone model).

    Args:
        images: ``N x H x W x 3``, uint8 or float32 from 0 to 255. Of one channel: grey has no hue
            and is returned as it is.
        turns: N shares of a full turn; 1/3 makes red green, and 1 changes nothing.

    Returns:
        float32 from 0 to 255, in the shape of the images.
    """
    pixels = images.astype(np.float32)
    if images.shape[3] != 3:
        return pixels
    red, green, blue = np.moveaxis(pixels, 3, 0)
    value = pixels.max(axis=3)
    chroma = value - pixels.min(axis=3)
    safe = np.where(chroma > 0, chroma, np.float32(1))
    sector = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sector += (_SECTORS * turns).astype(np.float32)[:, None, None]
    turned = np.empty_like(pixels)
    for channel, start in enumerate((5, 3, 1)):
        place = (sector + start) % _SECTORS
        turned[..., channel] = value - chroma * np.minimum(place, 4 - place).clip(0, 1)
    return turned
