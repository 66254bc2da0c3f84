"""A quicker way for small plain JPEGs, to the very pixels that Pillow gives.

Of a thumbnail, Pillow spends five sixths of the time in Python around the decoder. simplejpeg
calls the same decoder (libjpeg-turbo: exact integer DCT, smooth upsampling) at once. Only files are
taken in which nothing asks for a treatment: a JFIF header, tables, one frame of 8 bits in grey or
YCbCr, scans. Whatever else there is, and whatever the decoder has a word to say about, goes the
whole way through Pillow, whose verdict counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from PIL import features

MAXIMUM_BYTES = 2**15
MAXIMUM_PIXELS = 2**16
"""Larger pictures take as long either way; and no rule about large ones needs to be told twice."""

_QUIET = frozenset([0xC4, 0xDB, 0xDD, 0xFE])
"""Segments that change nothing that Pillow would tell: Huffman and quantisation tables, the restart
interval, comments (ITU-T T.81, table B.1)."""
_FRAMES = frozenset([0xC0, 0xC1])  # baseline and extended; what is progressive may never end
_SCAN, _JFIF = 0xDA, b"\xff\xd8\xff\xe0"
_SPACES = {1: "GRAY", 3: "RGB"}


def plain_pixels(content: bytes) -> np.ndarray | None:
    """Return ``H x W x 1`` or ``H x W x 3`` uint8, or None where the file has to go through Pillow.

    Args:
        content: of a file of any kind.
    """
    if not content.startswith(_JFIF) or len(content) > MAXIMUM_BYTES:
        return None
    decode = _decoder()
    channels = _channels(content) if decode is not None else 0
    if decode is None or channels not in _SPACES:
        return None
    try:
        pixels: np.ndarray = decode(content, _SPACES[channels], strict=True)
    except ValueError:  # damaged, or so it seems
        return None
    return pixels


def _channels(content: bytes) -> int:
    """Return the channels of a small picture in which nothing is special, else 0."""
    if content[6:11] != b"JFIF\0":
        return 0
    channels, place, end = 0, 2, len(content) - 10
    while place < end:
        marker = content[place + 1]
        if content[place] != 0xFF:
            return 0
        if marker == _SCAN:
            return channels
        if marker in _FRAMES:
            if channels or content[place + 4] != 8:
                return 0
            height = content[place + 5] << 8 | content[place + 6]
            width = content[place + 7] << 8 | content[place + 8]
            if not 0 < height * width <= MAXIMUM_PIXELS:
                return 0
            channels = content[place + 9]
        elif marker not in _QUIET and not (marker == 0xE0 and place == 2):
            return 0
        place += 2 + (content[place + 2] << 8 | content[place + 3])
    return 0


@cache
def _decoder() -> Callable[..., Any] | None:
    """Return simplejpeg's decoder where it is there and Pillow decodes with the same library."""
    if not features.check_feature("libjpeg_turbo"):
        return None
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    decoder: Callable[..., Any] = decode_jpeg
    return decoder
