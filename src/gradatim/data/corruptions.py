"""What happens to pictures in the world: light, place, dirt, noise; each at five strengths.

Where the literature has a definition it is taken: brightness, contrast, Gaussian blur, Gaussian
noise and JPEG are those of Hendrycks and Dietterich 2019, "Benchmarking neural network robustness
to common corruptions and perturbations", with the strengths of its CIFAR-10-C for pictures of up to
96 pixels and of its ImageNet-C above; blur, which is measured in pixels, is scaled with the side
(from 32 and from 224). Rotation, scale, occlusion and background are not in it; theirs are chosen
here and said in ``CORRUPTIONS``.

What is drawn for a sample (a side, a place, noise) is a function of its number alone: it is the
same at every strength, for every model, in any batch.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gradatim.data.randomness import uniform
from gradatim.data.warping import rotate

STRENGTHS = 5
SMALL_SIDE = 96
"""Up to this side in pixels the strengths are those for small pictures."""
TOLERANCE = 24
"""Levels of 255 by which a pixel of the background may differ from the border's median colour."""
LEAST_OF_BORDER, LEAST_BACKGROUND, MOST_BACKGROUND = 0.75, 0.1, 0.95
"""A background takes this share of the border, and of the picture at least and at most so much."""


@dataclass(frozen=True)
class Corruption:
    """One kind, with its five strengths for small and for large pictures.

    Attributes:
        apply: takes images ``N x H x W x C`` uint8, their numbers and one strength; returns uint8.
        small: strengths for pictures of up to 96 pixels.
        large: for larger ones.
        unit: what a strength is, with ``{}`` for the number.
    """

    apply: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    small: tuple[float, ...]
    large: tuple[float, ...]
    unit: str

    def strengths(self, side: int) -> tuple[float, ...]:
        """Return the five strengths for pictures of a side in pixels."""
        return self.small if side <= SMALL_SIDE else self.large


def corrupt(kind: str, images: np.ndarray, numbers: np.ndarray, strength: int) -> np.ndarray:
    """Return corrupted copies of images.

    Args:
        kind: a row of ``CORRUPTIONS``.
        images: ``N x H x W x C`` uint8.
        numbers: N: which samples of their data set these are.
        strength: 1 to 5.
    """
    corruption = CORRUPTIONS[kind]
    value = corruption.strengths(min(images.shape[1:3]))[strength - 1]
    return corruption.apply(images, np.asarray(numbers), value)


def illumination(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Add to the value (of HSV) of every second sample, take from that of the others.

    Their definition only makes brighter; in the dark is added here. Hue and saturation stay.
    """
    pixels = images.astype(np.float32)
    value = pixels.max(axis=3, keepdims=True)
    changed = np.clip(value + 255 * strength * _side(numbers, "illumination"), 0, 255)
    # with hue and saturation kept, all channels keep their ratio to the value
    ratio = np.divide(pixels, value, out=np.ones_like(pixels), where=value > 0)
    return _bytes(changed * ratio)


def contrast(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Draw every channel towards its mean over the picture: this share of the contrast is left."""
    pixels = images.astype(np.float32)
    mean = pixels.mean(axis=(1, 2), keepdims=True)
    return _bytes((pixels - mean) * np.float32(strength) + mean)


def rotation(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Turn by this angle in degrees, either way; the edge goes on beyond the picture."""
    return _bytes(rotate(images, strength * _side(numbers, "rotation").ravel()))


def scale(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Enlarge every second sample by this factor about its middle, make the others smaller."""
    factors = strength ** _side(numbers, "scale").ravel()
    return _bytes(rotate(images, np.zeros(len(images)), factors))


def occlusion(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Cover a grey square of this share of the picture, wholly inside it."""
    _, rows, columns, _ = images.shape
    height, width = (max(1, round(strength**0.5 * side)) for side in (rows, columns))
    down, right = _draws(numbers, "occlusion", 2).T
    covered = images.copy()
    for sample in range(len(images)):
        top = int(down[sample] * (rows - height + 1))
        left = int(right[sample] * (columns - width + 1))
        covered[sample, top : top + height, left : left + width] = 127
    return covered


def blur(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Blur by a Gaussian whose deviation is this share of the side; the edge goes on."""
    from scipy.ndimage import gaussian_filter

    deviation = strength * min(images.shape[1:3])
    blurred = gaussian_filter(
        images.astype(np.float32), (0, deviation, deviation, 0), mode="nearest", truncate=4.0
    )
    return _bytes(blurred)


def noise(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Add Gaussian noise of this deviation (of pixels from 0 to 1) to every channel."""
    from scipy.special import ndtri

    size = int(np.prod(images.shape[1:]))
    noisy = np.empty_like(images)
    for sample, number in enumerate(numbers):
        drawn = uniform(0, 0, "stress noise", int(number), 1, size)[0]
        normal = ndtri(drawn.clip(2.0**-53)).reshape(images.shape[1:])
        noisy[sample] = _bytes(images[sample] + 255 * strength * normal)
    return noisy


def jpeg(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Compress by JPEG with this quality."""
    compressed = np.empty_like(images)
    for sample, pixels in enumerate(images):
        content = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(pixels.squeeze()))
        picture.save(content, "JPEG", quality=int(strength))
        compressed[sample] = np.asarray(Image.open(content)).reshape(pixels.shape)
    return compressed


def background(images: np.ndarray, numbers: np.ndarray, strength: float) -> np.ndarray:
    """Blend the background with coarse coloured texture, by this share.

    The background is the region that is joined to the border and nearly of one colour; see
    ``backgrounds``. Where there is none, the border is blended, more towards the corners.
    """
    rows, columns = images.shape[1:3]
    found = backgrounds(images)
    masks = np.where(
        _is_background(found)[:, None, None], found.astype(np.float32), _frame(rows, columns)
    )
    share = strength * masks[..., None]
    return _bytes(images * (1 - share) + _texture(images.shape, numbers) * share)


def backgrounds(images: np.ndarray) -> np.ndarray:
    """Return which pixels are joined to the border by pixels of nearly its colour: ``N x H x W``.

    Nearly: no channel differs from the median of the border pixels by more than 24 of 255 levels.
    It finds plain walls, studio grounds and paper, not lawns or streets.
    """
    from scipy.ndimage import label

    found = np.zeros(images.shape[:3], bool)
    for sample, pixels in enumerate(images.astype(np.int16)):
        border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
        alike = (np.abs(pixels - np.median(border, axis=0)) <= TOLERANCE).all(axis=2)
        regions, _ = label(alike)
        edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
        found[sample] = np.isin(regions, np.setdiff1d(edge, [0]))
    return found


def count_backgrounds(images: np.ndarray) -> int:
    """Return in how many images a background is found.

    It takes three quarters of the border, and 10 to 95 % of the picture.
    """
    return int(_is_background(backgrounds(images)).sum())


def _is_background(found: np.ndarray) -> np.ndarray:
    share, border = found.mean(axis=(1, 2)), np.ones(found.shape[1:], bool)
    border[1:-1, 1:-1] = False
    there: np.ndarray = (share >= LEAST_BACKGROUND) & (share <= MOST_BACKGROUND)
    there &= found[:, border].mean(axis=1) >= LEAST_OF_BORDER
    return there


def _frame(rows: int, columns: int) -> np.ndarray:
    """Return a weight of 0 in the middle, rising to 1 at the corners: ``H x W``."""
    down, right = (np.abs(np.linspace(-1, 1, side)) for side in (rows, columns))
    away = np.hypot(down[:, None], right[None, :])
    weight: np.ndarray = ((away - 0.5) / (2**0.5 - 0.5)).clip(0, 1).astype(np.float32)
    return weight


def _texture(shape: tuple[int, ...], numbers: np.ndarray) -> np.ndarray:
    """Return random colours on a grid of 4 x 4, bilinear between them: as the images, float32."""
    _, rows, columns, channels = shape
    grid = 255 * _draws(numbers, "background", 16 * channels).reshape(-1, 4, 4, channels)
    down, right = (_hats(side) for side in (rows, columns))
    drawn: np.ndarray = np.einsum("hi,nijc,wj->nhwc", down, grid, right).astype(np.float32)
    return drawn


def _hats(side: int) -> np.ndarray:
    """Return the shares of four grid points in each of ``side`` places between them."""
    place = np.linspace(0, 3, side)[:, None]
    shares: np.ndarray = (1 - np.abs(place - np.arange(4))).clip(0)
    return shares


def _draws(numbers: np.ndarray, purpose: str, per_sample: int) -> np.ndarray:
    """Return uniform draws that depend on the sample's number alone: ``N x per_sample``."""
    if not len(numbers):
        return np.empty((0, per_sample))
    drawn = uniform(0, 0, f"stress {purpose}", 0, int(numbers.max()) + 1, per_sample)
    found: np.ndarray = drawn[numbers]
    return found


def _side(numbers: np.ndarray, purpose: str) -> np.ndarray:
    """Return +1 or -1 for each sample, ``N x 1 x 1 x 1``."""
    return np.where(_draws(numbers, purpose, 1) < 0.5, -1, 1).reshape(-1, 1, 1, 1)


def _bytes(pixels: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.rint(pixels).clip(0, 255).astype(np.uint8)
    return rounded


_SMALL_BLUR = tuple(sigma / 32 for sigma in (0.4, 0.6, 0.7, 0.8, 1.0))
_LARGE_BLUR = tuple(sigma / 224 for sigma in (1.0, 2.0, 3.0, 4.0, 6.0))
_ANGLES = (10.0, 20.0, 30.0, 45.0, 60.0)
_FACTORS = (1.1, 1.25, 1.5, 1.75, 2.0)
_AREAS = (0.05, 0.1, 0.2, 0.3, 0.4)
_SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)

CORRUPTIONS: dict[str, Corruption] = {
    "illumination": Corruption(
        illumination, (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5), "value ± {:g}"
    ),
    "contrast": Corruption(
        contrast, (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05), "{:g} of it left"
    ),
    "rotation": Corruption(rotation, _ANGLES, _ANGLES, "± {:g}°"),
    "scale": Corruption(scale, _FACTORS, _FACTORS, "x or / {:g}"),
    "occlusion": Corruption(occlusion, _AREAS, _AREAS, "{:g} of the area"),
    "blur": Corruption(blur, _SMALL_BLUR, _LARGE_BLUR, "deviation {:.2g} of the side"),
    "noise": Corruption(
        noise, (0.04, 0.06, 0.08, 0.09, 0.1), (0.08, 0.12, 0.18, 0.26, 0.38), "deviation {:g}"
    ),
    "jpeg": Corruption(jpeg, (80, 65, 58, 50, 40), (25, 18, 15, 10, 7), "quality {:g}"),
    "background": Corruption(background, _SHARES, _SHARES, "{:g} replaced"),
}
