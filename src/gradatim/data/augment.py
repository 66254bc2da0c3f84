"""Augmentation of images: whole batches at once, one set of draws for each sample.

Images are NumPy arrays ``N x H x W x C``. Flips, shifts and resized crops make bytes of bytes,
before anything is converted to floats. All stays on the thread that calls it and lets others run
meanwhile. Each operation is split in two: the draws, and what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from gradatim.core.recipe import DataRecipe
from gradatim.data.hue import turn_hue
from gradatim.data.pixels import whole_pixels
from gradatim.data.randomness import Draws
from gradatim.data.warping import rotate
from gradatim.errors import ValueRefusedError

SMALLEST_AREA = 0.35
"""Smallest share of the image a resized crop keeps. Inception (Szegedy et al. 2015) keeps 0.08,
which pays on a million images and a hundred epochs; fastai's shorter recipes for small sets keep
0.35, and so does this."""

CROP_ASPECT = 4 / 3
"""Largest stretch of a resized crop, either way (Szegedy et al. 2015: 3/4 to 4/3)."""

ERASED_AREA = (0.02, 0.4)
"""Share of the image that is erased (Zhong et al. 2020, "Random erasing data augmentation")."""

ERASED_ASPECT = 1 / 0.3
"""Largest aspect of the erased rectangle, either way (Zhong et al. 2020: 0.3 to 1 / 0.3)."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Augmentation:
    """What is done to the training samples; the default does nothing.

    Attributes:
        flip: probability of a left-right flip.
        crop: ``padded``: shift by up to ``crop_padding`` pixels both ways, black coming in (He et
            al. 2016); ``resized``: a random area and aspect, resized to the full size; ``none``.
        crop_padding: pixels.
        crop_from: side in pixels of the stored pictures that resized crops are taken from, see
            ``data/larger.py``; 0: of the samples as they are.
        rotation: largest angle in degrees by which a sample is turned, either way; its edge goes
            on beyond it.
        jitter: brightness, contrast and saturation are each multiplied by a factor drawn from
            1 - jitter to 1 + jitter, in this order.
        hue: largest turn of the hue, either way, as a share of the colour wheel.
        erasing: probability that a random rectangle becomes the mean colour (Zhong et al. 2020).
        mixup: alpha of mix-up (Zhang et al. 2018); 0 is off.
        cutmix: alpha of cut-mix (Yun et al. 2019); 0 is off. With both, each sample takes one of
            them, with even chances.

    Raises:
        ValueRefusedError: a value is out of its range.
    """

    flip: float = 0.0
    crop: Literal["padded", "resized", "none"] = "none"
    crop_padding: int = 0
    jitter: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    rotation: float = 0.0
    hue: float = 0.0
    crop_from: int = 0

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "erasing"):
            _check(name, getattr(self, name), 1.0, "0 to 1")
        _check("rotation", self.rotation, 180.0, "0 to 180 degrees")
        _check("hue", self.hue, 0.5, "0 to 0.5, half of the colour wheel")
        for name in ("crop_padding", "crop_from", "mixup", "cutmix"):
            _check(name, getattr(self, name), float("inf"), "0 or more")
        if self.crop not in ("padded", "resized", "none"):
            raise ValueRefusedError(
                "data.crop does not take this value",
                given=self.crop,
                allowed=["padded", "resized", "none"],
            )

    @classmethod
    def from_recipe(cls, recipe: DataRecipe) -> Augmentation:
        """Read the recipe's keys; those that are None are off.

        Raises:
            ValueRefusedError: a value is out of its range.
        """
        names = cls.__dataclass_fields__
        chosen = {name: getattr(recipe, name) for name in names}
        return cls(**{name: value for name, value in chosen.items() if value is not None})

    @property
    def mixes(self) -> bool:
        """Whether samples are mixed with one another."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def of_images(self) -> tuple[str, ...]:
        """The operations in use that only images can take."""
        in_use = {
            "flip": self.flip > 0,
            "crop": self.crop == "resized" or (self.crop == "padded" and self.crop_padding > 0),
            "rotation": self.rotation > 0,
            "jitter": self.jitter > 0,
            "hue": self.hue > 0,
            "erasing": self.erasing > 0,
            "cutmix": self.cutmix > 0,
        }
        return tuple(name for name, used in in_use.items() if used)


def _check(name: str, value: float, high: float, allowed: str) -> None:
    if not 0 <= value <= high or value == float("inf"):
        raise ValueRefusedError(f"data.{name} is out of range", given=value, allowed=allowed)


def augment(
    images: np.ndarray,
    augmentation: Augmentation,
    draws: Draws,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Return flipped, turned, cropped and recoloured copies of images.

    Args:
        images: ``N x H x W x C`` uint8, C-contiguous; may be overwritten.
        augmentation: what to do. Erasing and mixing come after normalisation: ``erase`` and
            ``gradatim.data.mixing.mix``.
        draws: of the N positions.
        size: height and width of resized crops; those of the images when None.

    Returns:
        ``N x H x W x C``: float32 from 0 to 255 where colours were changed, else uint8.
    """
    flips = np.zeros(len(images), dtype=bool)
    if augmentation.flip > 0:
        flips = draws.uniform("flip", 1)[:, 0] < augmentation.flip
    if augmentation.rotation > 0:
        degrees = augmentation.rotation * _both_ways(draws, "rotation", 1)[:, 0]
        images = np.rint(rotate(images, degrees)).astype(np.uint8)
    if augmentation.crop == "resized":
        images = resized_crop(images, _crop_boxes(images.shape, draws), size or images.shape[1:3])
    if flips.any():
        images = flip(images, flips)
    if augmentation.crop == "padded" and augmentation.crop_padding > 0:
        span = 2 * augmentation.crop_padding + 1
        down, right = (draws.uniform("crop", 2) * span).astype(np.int64).T
        images = shift(images, down, right, augmentation.crop_padding)
    if augmentation.jitter > 0:
        factors = 1 + augmentation.jitter * _both_ways(draws, "jitter", 3)
        images = jitter(images, *factors.T)
    if augmentation.hue > 0:
        images = turn_hue(images, augmentation.hue * _both_ways(draws, "hue", 1)[:, 0])
    return images


def _both_ways(draws: Draws, purpose: str, per_sample: int) -> np.ndarray:
    """Return uniform draws from -1 to 1."""
    return 2 * draws.uniform(purpose, per_sample) - 1


def flip(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mirror the chosen images (N booleans) left to right, in place, and return all."""
    where = np.flatnonzero(chosen)
    turned = images.take(where, axis=0)
    mirrored = np.empty_like(turned)
    for channel in range(images.shape[3]):  # NumPy is twice as slow with pixels of three bytes
        mirrored[..., channel] = turned[:, :, ::-1, channel]
    images[where] = mirrored
    return images


def shift(images: np.ndarray, top: np.ndarray, left: np.ndarray, padding: int) -> np.ndarray:
    """Return windows of each image framed with ``padding`` black pixels.

    Args:
        images: ``N x H x W x C`` uint8.
        top: first row of each window in the framed image, 0 to 2 * padding.
        left: first column of each window, likewise.
        padding: pixels.
    """
    count, height, width, channels = images.shape
    framed = np.zeros(
        (count, height + 2 * padding, width + 2 * padding, channels), dtype=images.dtype
    )
    framed[:, padding : padding + height, padding : padding + width] = images
    # a view of every window of every image, as rows of bytes that are copied whole
    image, row, column, byte = framed.strides
    windows = as_strided(
        framed,
        (count, 2 * padding + 1, 2 * padding + 1, height, width * channels),
        (image, row, column, row, byte),
        writeable=False,
    )
    shifted: np.ndarray = windows[np.arange(count), top, left]
    return shifted.reshape(images.shape)


class Boxes(NamedTuple):
    """One rectangle an image, in pixels: N values each."""

    top: np.ndarray
    left: np.ndarray
    height: np.ndarray
    width: np.ndarray


def resized_crop(images: np.ndarray, boxes: Boxes, size: tuple[int, int]) -> np.ndarray:
    """Return the box of each image resized to one size, bilinear, uint8.

    Where a box is larger than the result, the filter is as wide as a pixel of the result
    (antialiased), as Pillow's is. What lies beyond the box has no part in it.

    PyTorch resizes bytes with vector instructions and in the thread that calls it: a picture of
    379 pixels cropped to 224 and flipped took 0.15 ms of one core and Pillow 0.64; one of 224
    pixels 0.09, Pillow 0.40 and two passes in NumPy 0.40 (AMD Zen 5, PyTorch 2.13). Processors
    without AVX2 take PyTorch's general kernel, which was not timed.

    Args:
        images: ``N x H x W x C`` uint8.
        boxes: inside the images, whole pixels.
        size: height and width of the result.
    """
    import torch  # the audit, which only asks how small a crop may be, starts without it
    from torch.nn.functional import interpolate

    resized = np.empty((len(images), *size, images.shape[3]), np.uint8)
    edges = (edge.tolist() for edge in boxes)
    for sample, (top, left, height, width) in enumerate(zip(*edges, strict=True)):
        # in one piece, else PyTorch makes it one, with threads of its own; channels last, which
        # it takes four times as quickly as channels first
        box_NHWC = images[sample : sample + 1, top : top + height, left : left + width].copy()
        pixels_NCHW = torch.from_numpy(box_NHWC).permute(0, 3, 1, 2)
        cropped_NCHW = interpolate(pixels_NCHW, size, mode="bilinear", antialias=True)
        resized[sample] = cropped_NCHW[0].numpy().transpose(1, 2, 0)
    return resized


def jitter(
    images: np.ndarray, brightness: np.ndarray, contrast: np.ndarray, saturation: np.ndarray
) -> np.ndarray:
    """Return images with other brightness, contrast and saturation: float32 from 0 to 255.

    In this order, by the factors of each image: times the brightness; away from the image's mean
    grey; away from each pixel's own grey (which leaves grey images as they are). All three are
    linear, so they are done in one step and clipped once.

    Args:
        images: ``N x H x W x C``, uint8 or float32 from 0 to 255.
        brightness: N factors; 1 changes nothing.
        contrast: likewise.
        saturation: likewise.
    """
    result = images.astype(np.float32)
    colour = images.shape[3] == 3
    grey = result @ _LUMA if colour else result.mean(axis=3)
    scale = (brightness * contrast).astype(np.float32)
    offset = (brightness * (1 - contrast)).astype(np.float32) * grey.mean(axis=(1, 2))
    if colour:
        keep = saturation.astype(np.float32)
        result *= (scale * keep)[:, None, None, None]
        grey *= (scale * (1 - keep))[:, None, None]
        grey += offset[:, None, None]
        result += grey[..., None]
    else:
        result *= scale[:, None, None, None]
        result += offset[:, None, None, None]
    return np.clip(result, 0, 255, out=result)


def erase(normalised: np.ndarray, probability: float, draws: Draws) -> np.ndarray:
    """Set a random rectangle of some images to 0, the mean colour, in place, and return all.

    The paper draws again when a rectangle does not fit; here it is cut to the image's side, so
    that every sample takes the same number of draws. It chooses the aspect on a logarithmic scale,
    so that wide and tall are as likely.

    Args:
        normalised: ``N x H x W x C`` float32 with mean 0.
        probability: that an image is touched.
        draws: of the N positions.
    """
    _, rows, columns, _ = normalised.shape
    chosen, area, aspect, down, right = draws.uniform("erasing", 5).T
    low, high = ERASED_AREA
    area = (low + area * (high - low)) * rows * columns
    stretch = ERASED_ASPECT ** (2 * aspect - 1)
    height = np.clip(np.rint(np.sqrt(area * stretch)), 1, rows)
    width = np.clip(np.rint(np.sqrt(area / stretch)), 1, columns)
    top, left = np.floor(down * (rows - height + 1)), np.floor(right * (columns - width + 1))
    height[chosen >= probability] = 0
    erased = inside(Boxes(top, left, height, width), rows, columns)
    pixels = whole_pixels(normalised)
    np.copyto(pixels, np.zeros((), pixels.dtype), where=erased)
    return normalised


def inside(boxes: Boxes, rows: int, columns: int) -> np.ndarray:
    """Return which pixels lie in each sample's box: booleans, ``N x rows x columns``."""
    row, column = np.arange(rows), np.arange(columns)
    bottom, right = boxes.top + boxes.height, boxes.left + boxes.width
    in_rows = (row >= boxes.top[:, None]) & (row < bottom[:, None])
    in_columns = (column >= boxes.left[:, None]) & (column < right[:, None])
    both: np.ndarray = in_rows[:, :, None] & in_columns[:, None, :]
    return both


def _crop_boxes(shape: tuple[int, ...], draws: Draws) -> Boxes:
    """Return a random box of each image, in whole pixels."""
    _, rows, columns, _ = shape
    area, aspect, down, right = draws.uniform("crop", 4).T
    area = SMALLEST_AREA + area * (1 - SMALLEST_AREA)
    stretch = CROP_ASPECT ** (2 * aspect - 1)
    height = np.clip(np.rint(rows * np.sqrt(area / stretch)), 1, rows)
    width = np.clip(np.rint(columns * np.sqrt(area * stretch)), 1, columns)
    top, left = np.floor(down * (rows - height + 1)), np.floor(right * (columns - width + 1))
    return Boxes(*(edge.astype(np.int64) for edge in (top, left, height, width)))
