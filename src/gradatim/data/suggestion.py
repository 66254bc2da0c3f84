"""Which augmentation suits which kind of data, with the reason."""

from __future__ import annotations

import re
from typing import Any

from gradatim.core.spec import Spec

LARGEST_SHIFTED_SIDE = 96
"""Up to this side in pixels images are shifted; larger photos are cropped and resized."""

_DIGITS = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}
_SIDES = re.compile(r"(^|[^a-z])(left|right|links|rechts|gauche|droite)([^a-z]|$)")


def suggest(spec: Spec) -> dict[str, tuple[Any, str]]:
    """Return the augmentation for a kind of data: recipe key -> (value, reason).

    Every key of the recipe that concerns augmentation is there, so that nothing is left open.
    """
    if spec.kind == "image":
        suggested = {
            "data.flip": _flip(spec),
            **_crop(spec),
            "data.jitter": (0.0, "colour may be what tells the classes apart"),
            "data.erasing": (0.0, "pays in long training only"),
        }
    else:
        off: dict[str, Any] = {"flip": 0.0, "crop": "none", "crop_padding": 0, "jitter": 0.0}
        off["erasing"] = 0.0
        suggested = {f"data.{name}": (value, "is for images") for name, value in off.items()}
    long_only = (0.0, "pays in long training only")
    return {**suggested, "data.mixup": long_only, "data.cutmix": long_only}


def _flip(spec: Spec) -> tuple[float, str]:
    if spec.task != "classification":
        return 0.0, "whether a mirrored image keeps its value is not known"
    names = [name.strip().lower() for name in spec.classes]
    sided = [name for name in names if _SIDES.search(name)]
    if sided:
        return 0.0, f"the class {sided[0]!r} names a side, and a mirrored image shows the other"
    if _named_like_symbols(names):
        return 0.0, "the classes are named like digits or letters, which a mirror changes"
    return 0.5, "a mirrored photo shows the same class"


def _crop(spec: Spec) -> dict[str, tuple[Any, str]]:
    side = min(spec.shape[1:])
    if side > LARGEST_SHIFTED_SIDE:
        reason = f"photos larger than {LARGEST_SHIFTED_SIDE} pixels show their class at many sizes"
        return {"data.crop": ("resized", reason), "data.crop_padding": (0, "not used")}
    symbols = _named_like_symbols([name.strip().lower() for name in spec.classes])
    share, what = (14, "digits and letters fill the image") if symbols else (8, "as 4 of 32 pixels")
    padding = side // share
    if padding == 0:
        # measured: LeNet on the 8 x 8 digits, 4 seeds: 97.9 % without, 96.4 % with one pixel
        reason = f"in {side} pixels one pixel is much: shifted digits were learnt less well"
        return {"data.crop": ("none", reason), "data.crop_padding": (0, "not used")}
    return {
        "data.crop": ("padded", "an object shifted by a few pixels is the same object"),
        "data.crop_padding": (padding, f"1/{share} of the side: {what}"),
    }


def _named_like_symbols(names: list[str]) -> bool:
    """Whether most of the classes are digits, numbers or single letters."""
    symbols = [name for name in names if name.isdecimal() or len(name) == 1 or name in _DIGITS]
    return 2 * len(symbols) > len(names)
