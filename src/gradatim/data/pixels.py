"""Arrays of images seen as arrays of pixels."""

from __future__ import annotations

import numpy as np


def whole_pixels(images: np.ndarray) -> np.ndarray:
    """View images ``N x H x W x C`` as ``N x H x W`` pixels, each moved as one."""
    return images.view(f"V{images.itemsize * images.shape[3]}")[..., 0]
