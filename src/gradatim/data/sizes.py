"""What pictures are fitted to, chosen from their sizes, with the reason in words."""

from __future__ import annotations

from typing import Literal

import numpy as np

SMALLEST_SIZE, LARGEST_SIZE = 4, 2048
"""Sides that pictures may be fitted to."""

KEPT_SIDE = 64
"""Square pictures of one size up to this side are kept as they are."""

PHOTO_SIDE = 64
"""Side for larger pictures. The cost of a convolution grows with the area, and at 64 x 64 a deep
net can be trained within minutes on a processor, while much is still to be seen: about 68 % of
ImageNet's validation pictures are recognised at that size (Chrabaszcz, Loshchilov and Hutter, "A
downsampled variant of ImageNet as an alternative to the CIFAR datasets", 2017)."""

SMALLEST_SIDE = 8
CROPPED_AT_MOST = 1 / 3
"""Share of a picture that a crop may cost: 1/3 is what the photo format 3:2 loses."""

CROPPED_SHARE = 0.9
"""Share of the pictures that must lose no more than that."""


def choose_shape(sizes: np.ndarray) -> tuple[Literal["crop", "letterbox"], str]:
    """Choose how pictures become square, with the reason.

    A crop of the middle is chosen when at least 90 % of the pictures lose at most a third of
    themselves by it (up to the photo format 3:2), else a letterbox that keeps everything.

    Args:
        sizes: ``K x 2``, width and height.
    """
    if len(sizes) == 0:
        return "crop", "no picture to judge by"
    shorter, longer = sizes.min(axis=1), sizes.max(axis=1)
    if (shorter == longer).all():
        return "crop", "all pictures are square: a crop of the middle cuts nothing off"
    lost = 1 - shorter / longer
    fine = float((lost <= CROPPED_AT_MOST + 1e-9).mean())
    if fine >= CROPPED_SHARE:
        return "crop", f"a crop of the middle costs {fine:.0%} of the pictures at most a third"
    return "letterbox", (
        f"a crop of the middle would cost {1 - fine:.0%} of the pictures more than a third, so all "
        "of each is kept in a grey frame"
    )


def choose_size(sizes: np.ndarray, shape: str) -> tuple[int, str]:
    """Choose the side of the square in pixels, with the reason.

    Args:
        sizes: ``K x 2``, width and height.
        shape: ``crop`` or ``letterbox``.
    """
    if len(sizes) == 0:
        return PHOTO_SIDE, "no picture to judge by"
    first = int(sizes[0, 0])
    if (sizes == first).all() and first <= KEPT_SIDE:
        return first, f"all pictures are {first} x {first}: kept as they are"
    middle = side_of(sizes, shape)
    which = "shorter" if shape == "crop" else "longer"
    if middle >= PHOTO_SIDE:
        return PHOTO_SIDE, (
            f"half of the pictures are at least {middle} pixels on the {which} side; {PHOTO_SIDE} "
            "can be learnt from within minutes on a processor (--set data.size=224 for more detail "
            f"at about {(224 / PHOTO_SIDE) ** 2:.0f} times the cost)"
        )
    side = max(SMALLEST_SIDE, -(-middle // 4) * 4)
    return side, (
        f"half of the pictures are at most {middle} pixels on the {which} side; rounded up to a "
        "multiple of 4"
    )


def side_of(sizes: np.ndarray, shape: str) -> int:
    """Return the median of the sides that become the square's: shorter, or longer (letterbox).

    Args:
        sizes: ``K x 2``, width and height, ``K`` at least 1.
        shape: ``crop`` or ``letterbox``.
    """
    return int(np.median(sizes.min(axis=1) if shape == "crop" else sizes.max(axis=1)))


def choose_channels(grey: np.ndarray) -> tuple[int, str]:
    """Choose 1 channel (grey) or 3 (colour), with the reason.

    Args:
        grey: ``K`` bool, whether each picture holds no colour.
    """
    if len(grey) and grey.all():
        return 1, "no picture holds any colour"
    coloured = len(grey) - int(grey.sum())
    return 3, f"{coloured:,} of {len(grey):,} pictures hold colour"
