"""The one decode of the house: training, predict and serve all see a picture through here.

A picture is read whole, checked before it is decoded, decoded once at full size (one stated
exception below), brought upright and into 8-bit grey or colour, then fitted to a square::

    bytes ── decode ──> H x W x {1, 3} uint8 ── to_channels, fit_to ──> size x size x channels

What is not an ordinary 8-bit RGB or grey picture gets one stated treatment each (``TREATMENTS``);
what cannot be used is ``Rejected`` with the reason. Nothing is replaced, guessed or repaired.

The exception: where at most 256 pixels are wanted, a JPEG is decoded at 1/2, 1/4 or 1/8 of its
size by the decoder itself, as long as its shorter side keeps 512 pixels, twice what is needed.
The rule depends only on the picture and the size wanted: the pixels are the same wherever it is
read.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from gradatim.data.jpeg import plain_pixels
from gradatim.data.quiet import quiet
from gradatim.data.reading import Rejected as Rejected
from gradatim.data.reading import read_bytes

VERSION = 1
"""Raised by one whenever the same file would give other pixels; stores of another version are
built again."""

MAXIMUM_PIXELS = 178_956_970
"""A picture that declares more is a decompression bomb; Pillow refuses to open it at the same
number (twice its ``Image.MAX_IMAGE_PIXELS``)."""

MAXIMUM_SCANS = 1000
"""A progressive JPEG with more scans is made to take for ever: each scan goes over all pixels."""

LARGE_PIXELS = 25_000_000
"""Pictures with more pixels are decoded one at a time, so that threads share the memory."""

REDUCED_SIDE = 512
"""Pixels that the shorter side of a JPEG decoded at a fraction of its size keeps at least."""

LETTERBOX_GREY = 128

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "MPO": (".mpo", ".jpg", ".jpeg", ".jpe", ".jfif"),
    "JPEG2000": (".jp2", ".j2k"),
    "AVIF": (".avif",),
}
"""Formats that are read, by Pillow's names, with the endings of their names."""

OPENED = [name for name in FORMATS if name != "MPO"]
"""What Pillow is asked to try; an MPO (several JPEGs in one file) is opened as a JPEG."""

SUFFIXES = frozenset([".heic", ".heif", ".svg"]).union(*FORMATS.values())
"""Endings of files taken for pictures; the first three are then rejected with their own reason."""

TREATMENTS = {
    "orientation": "turned upright as its EXIF orientation says",
    "exif-unreadable": "EXIF data unreadable: taken as upright",
    "palette": "palette replaced by its colours",
    "alpha": "transparency laid over white",
    "cmyk": "CMYK turned into RGB (colour profiles are not applied)",
    "1-bit": "black and white turned into grey 0 and 255",
    "16-bit": "16 bits a channel scaled to 8 (the upper 8 bits are kept)",
    "16-bit-dark": "16 bits a channel scaled to 8, though no value needs more than 12 bits: "
    "nearly black; rescale the files to the full range",
    "float": "floating-point values scaled to 8 bits (0 ... 1, or 0 ... 255 as they are)",
    "frames": "several frames: the first is used",
    "reduced": "decoded at a fraction of its size, being at least twice as large as needed",
}
"""Every treatment by name -> what was done, as told by the audit."""

_BITS_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag 0x0112 -> the turn that brings the picture upright."""

_ORIENTATION = 0x0112
_REDUCIBLE = ("JPEG", "MPO")
_large = threading.Lock()

Interpolation = Literal["bicubic", "bilinear"]
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}

Content = bytes | str | os.PathLike[str] | Image.Image


@dataclass(frozen=True)
class Policy:
    """What every picture is fitted to: ``size x size x channels``.

    ``spare``: a JPEG may be decoded at a fraction of its size while this many times as many pixels
    remain as are wanted. Twice, but for the larger pictures of ``data/larger.py``.
    """

    size: int
    shape: Literal["crop", "letterbox"] = "crop"
    channels: int = 3
    interpolation: Interpolation = "bicubic"
    spare: int = 2

    @property
    def reduced_side(self) -> int | None:
        """Shorter side that a JPEG may be reduced to while decoding; None: not at all."""
        return REDUCED_SIDE if self.spare * self.size <= REDUCED_SIDE else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Policy:
        """Read what ``to_dict`` wrote."""
        return cls(**values)


@dataclass(frozen=True)
class Decoded:
    """An upright picture of 8 bits a channel.

    Attributes:
        pixels: ``H x W x 1`` (grey) or ``H x W x 3`` (RGB), uint8.
        width: of the upright picture at its full size, in pixels.
        height: likewise.
        treatments: names in ``TREATMENTS``.
        format: name in ``FORMATS``, empty for a picture made in memory.
    """

    pixels: np.ndarray
    width: int
    height: int
    treatments: tuple[str, ...]
    format: str = ""

    @property
    def grey(self) -> bool:
        """Whether the picture holds no colour: one channel, or three equal ones."""
        if self.pixels.shape[2] == 1:
            return True
        coarse = self.pixels[::16, ::16]
        return _equal_channels(coarse) and _equal_channels(self.pixels)


def _equal_channels(pixels: np.ndarray) -> bool:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return bool((red == green).all() and (green == blue).all())


# --- decoding -----------------------------------------------------------------------------------


def decode(content: Content, reduced_side: int | None = None) -> Decoded:
    """Decode one picture.

    Args:
        content: the bytes of a file, a path, or a picture opened with Pillow.
        reduced_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter
            side keeps this many pixels; None decodes at full size.

    Raises:
        Rejected: with the reason, for whatever cannot be used.
    """
    if isinstance(content, str | os.PathLike):
        content = read_bytes(content)
    if isinstance(content, bytes):
        pixels = plain_pixels(content)
        if pixels is not None:
            return Decoded(pixels, pixels.shape[1], pixels.shape[0], (), "JPEG")
    form = "picture"
    with quiet():
        try:
            if isinstance(content, Image.Image):
                content = _untouched(content)
            picture = _open(content) if isinstance(content, bytes) else content
            form = picture.format or form
            return _decode(picture, reduced_side)
        except Rejected:
            raise
        except MemoryError as error:
            raise Rejected("larger than the memory at hand") from error
        except Exception as error:  # Pillow raises nearly anything on damaged content
            raise Rejected(_reason_of_damage(form, error)) from error


def read(content: Content, policy: Policy) -> tuple[np.ndarray, Decoded]:
    """Decode one picture and fit it: the whole way from a file to what a store holds.

    Returns:
        ``size x size x channels`` uint8, and the picture as decoded.

    Raises:
        Rejected: as ``decode``.
    """
    decoded = decode(content, policy.reduced_side)
    pixels = to_channels(decoded.pixels, policy.channels)
    return fit_to(pixels, policy.size, policy.shape, policy.interpolation), decoded


def _untouched(picture: Image.Image) -> bytes | Image.Image:
    """Return what an opened picture was opened from, else a copy: the caller's stays as it is.

    So a picture that is opened but not loaded gives the same pixels as its file.
    """
    source = getattr(picture, "fp", None)
    if source is None or not getattr(picture, "tile", None) or picture.tell() != 0:
        return picture.copy()
    position = source.tell()
    source.seek(0)
    content: bytes = source.read()
    source.seek(position)
    return content


def _open(content: bytes) -> Image.Image:
    """Read the header only."""
    if not content:
        raise Rejected("empty file")
    try:
        picture = Image.open(io.BytesIO(content), formats=OPENED)
    except Image.DecompressionBombError as error:
        raise Rejected(f"decompression bomb: declares over {MAXIMUM_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow raises nearly anything on damaged content
        raise Rejected(_what_it_is(content)) from error
    if picture.info.get("progressive") and content.count(b"\xff\xda") > MAXIMUM_SCANS:
        raise Rejected(f"progressive JPEG with more than {MAXIMUM_SCANS:,} scans")
    return picture


def _decode(picture: Image.Image, reduced_side: int | None) -> Decoded:
    width, height = picture.size
    if width < 1 or height < 1:
        raise Rejected("has no pixels")
    if width * height > MAXIMUM_PIXELS:
        raise Rejected(f"decompression bomb: declares {width:,} x {height:,} pixels")

    treatments: list[str] = []
    if getattr(picture, "is_animated", False):
        treatments.append("frames")
    if reduced_side and min(width, height) >= 2 * reduced_side and picture.format in _REDUCIBLE:
        picture.draft(None, (reduced_side, reduced_side))
        treatments.append("reduced")
    large = picture.width * picture.height > LARGE_PIXELS
    alone: AbstractContextManager[Any] = _large if large else nullcontext()
    with alone:
        plain, turned = _load(picture, treatments)
        pixels = np.asarray(plain)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    size = (height, width) if turned else (width, height)
    return Decoded(pixels, *size, tuple(treatments), picture.format or "")


def _load(picture: Image.Image, treatments: list[str]) -> tuple[Image.Image, bool]:
    """Decode; return the upright picture in 8-bit grey or colour, and whether its sides swapped."""
    sixteen = any(";16" in str(tile) for tile in getattr(picture, "tile", ()))
    # Pillow turns a TIFF upright while loading (its size is that of the upright picture already).
    turned_by_pillow = picture.format == "TIFF" and _orientation(picture, treatments) != 1
    picture.load()
    orientation = 1 if turned_by_pillow else _orientation(picture, treatments)
    plain = _plain(picture, sixteen, treatments)
    if orientation != 1:
        plain = plain.transpose(_UPRIGHT[orientation])
    return plain, orientation >= 5


def _orientation(picture: Image.Image, treatments: list[str]) -> int:
    """Return the EXIF orientation, 1 (upright) when there is none, and note what was found."""
    if picture.format not in ("TIFF", "PNG") and "exif" not in picture.info:
        return 1
    try:
        orientation = int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data: Pillow raises nearly anything
        treatments.append("exif-unreadable")
        return 1
    if orientation not in _UPRIGHT:
        return 1
    treatments.append("orientation")
    return orientation


def _plain(picture: Image.Image, sixteen: bool, treatments: list[str]) -> Image.Image:
    """Return the picture in 8-bit grey (``L``) or colour (``RGB``)."""
    mode = picture.mode
    if mode in _BITS_16 or mode == "I":
        return _from_16_bit(picture, treatments)
    if sixteen:
        treatments.append("16-bit")
    if mode == "F":
        return _from_float(picture, treatments)
    if mode in ("P", "PA"):
        treatments.append("palette")
    if picture.has_transparency_data:
        treatments.append("alpha")
        colours = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        over_white = Image.alpha_composite(white, colours)
        return over_white.convert("L" if mode in ("1", "L", "LA", "La") else "RGB")
    if mode == "1":
        treatments.append("1-bit")
        return picture.convert("L")
    if mode in ("L", "RGB"):
        return picture
    if mode == "CMYK":
        treatments.append("cmyk")
    if mode not in ("P", "CMYK", "YCbCr", "RGBX"):
        raise Rejected(f"colour space {mode} is not supported: convert the file to RGB")
    return picture.convert("RGB")


def _from_16_bit(picture: Image.Image, treatments: list[str]) -> Image.Image:
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise Rejected("whole numbers outside 0 ... 65,535: no stated way to 8 bits")
    treatments.append("16-bit" if values.max() > 0x0FFF or not values.any() else "16-bit-dark")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _from_float(picture: Image.Image, treatments: list[str]) -> Image.Image:
    values = np.asarray(picture)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 255):
        raise Rejected("floating-point values outside 0 ... 255: no stated way to 8 bits")
    treatments.append("float")
    scale = 255.0 if values.max() <= 1 else 1.0
    return Image.fromarray(np.rint(values * scale).astype(np.uint8))


# --- fitting ------------------------------------------------------------------------------------


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return ``H x W x channels``: grey repeated to three, or colour to grey (ITU-R BT.601 luma).

    Args:
        pixels: ``H x W x 1`` or ``H x W x 3`` uint8.
        channels: 1 or 3.
    """
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    grey: np.ndarray = np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    return grey


def fit_to(
    pixels: np.ndarray, size: int, shape: str, interpolation: Interpolation = "bicubic"
) -> np.ndarray:
    """Return the picture as a square; a picture that is this square already is left untouched.

    ``crop`` takes the largest square of the middle; ``letterbox`` keeps all and fills the border
    with grey 128. Both resize with an antialiased filter.

    Args:
        pixels: ``H x W x C`` uint8.
        size: side of the square in pixels.
        shape: ``crop`` or ``letterbox``.
        interpolation: the filter.

    Returns:
        ``size x size x C`` uint8.
    """
    height, width, channels = pixels.shape
    if (height, width) == (size, size):
        return pixels
    if shape == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = pixels[top : top + side, left : left + side]
        return square if side == size else _resize(square, size, size, interpolation)
    scale = size / max(height, width)
    inner_height = max(1, round(height * scale))
    inner_width = max(1, round(width * scale))
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    boxed = np.full((size, size, channels), LETTERBOX_GREY, dtype=np.uint8)
    inner = _resize(pixels, inner_height, inner_width, interpolation)
    boxed[top : top + inner_height, left : left + inner_width] = inner
    return boxed


def _resize(
    pixels: np.ndarray, height: int, width: int, interpolation: Interpolation
) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    # reducing_gap 3: whole blocks are averaged first while three times too many pixels remain;
    # Pillow documents the result as indistinguishable from the full filter.
    resized = np.asarray(picture.resize((width, height), _FILTERS[interpolation], reducing_gap=3.0))
    return resized[:, :, None] if resized.ndim == 2 else resized


# --- words for what is wrong --------------------------------------------------------------------

_MAGIC: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda head: head[:2] == b"\xff\xd8", "damaged JPEG: its header cannot be read"),
    (lambda head: head[:8] == b"\x89PNG\r\n\x1a\n", "damaged PNG: its header cannot be read"),
    (lambda head: head[:4] == b"GIF8", "damaged GIF: its header cannot be read"),
    (
        lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
        "damaged WebP: its content cannot be read",
    ),
    (lambda head: head[:4] in (b"II*\0", b"MM\0*"), "damaged TIFF: its header cannot be read"),
    (
        lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1"),
        "HEIC picture: not supported, convert it to JPEG or PNG",
    ),
    (lambda head: head[4:8] == b"ftyp", "a film or an unsupported picture (ISO media file)"),
    (lambda head: b"<svg" in head.lower(), "SVG drawing: not made of pixels"),
    (lambda head: head[:4] == b"%PDF", "a PDF document, not a picture"),
    (lambda head: head[:4] == b"PK\x03\x04", "a ZIP archive, not a picture"),
    (lambda head: _is_text(head), "a text file, not a picture"),
)


def _what_it_is(content: bytes) -> str:
    """Say what a file is that no decoder took."""
    head = content[:1024]
    return next(
        (reason for test, reason in _MAGIC if test(head)), "not a picture of a known format"
    )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character is cut in two by the end of head
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\r\n\t\f\ufeff" for character in text)


def _reason_of_damage(kind: str, error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return "decompression bomb: declares too many pixels"
    if "truncated" in text.lower():
        return f"truncated {kind}: {text}"
    return f"damaged {kind}: {text}"
