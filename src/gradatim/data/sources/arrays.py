"""NumPy archives (.npz): arrays named x and y, or x_train, y_train, x_test, y_test and the like."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from gradatim.data.dataset import PARTS, Part
from gradatim.data.preprocessing import to_pixels
from gradatim.data.raw import RawArrays, RawSequences
from gradatim.data.sources import Request
from gradatim.data.targets import decide
from gradatim.errors import DataError, EmptySourceError

_PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_IMAGES = ("images", "image", "pixels")
_SERIES = ("series", "sequences", "sequence")
_INPUTS = ("x", "data", "inputs", "input", "features", *_IMAGES, *_SERIES)
_TARGETS = ("y", "target", "targets", "label", "labels")
_CLASSES = ("classes", "class_names", "target_names", "label_names")
_FEATURES = ("feature_names", "columns")

KEYS = "x and y, or x_train, y_train, x_val, y_val, x_test and y_test"


NARROW = 8
"""Arrays of three axes are series where the last axis, the features, is shorter than this, no image
being so narrow, ..."""
OBLONG = 4
"""... or the steps are so many times the features, or floats are in no usual range of pixels."""


def read(request: Request) -> RawArrays | RawSequences:
    """Read an archive of inputs and targets.

    Arrays of 4 axes are images, of 2 axes vectors, of 3 axes grey images or series of steps x
    features: the name of the array decides (``images``, ``series``), else shape and values.
    Channels first is turned into channels last, and pixels other than uint8 are scaled; all this
    is said in the notes.

    Raises:
        DataError: the file is damaged, holds Python objects, or not the arrays needed.
    """
    arrays = _load(request.path)
    found = _roles(request.path, arrays)
    parts = [part for part in (*PARTS, None) if part in found]
    inputs = _joined(request.path, [found[part][0] for part in parts], "inputs")
    targets = _joined(request.path, [found[part][1] for part in parts], "targets")
    for part in parts:
        counts = len(found[part][0]), len(found[part][1])
        if counts[0] != counts[1]:
            raise DataError(
                f"the {part or 'only'} part has {counts[0]:,} inputs, but {counts[1]:,} targets",
                given=request.path,
                next_step="save one target an input",
            )
    if len(targets) == 0:
        raise EmptySourceError("the archive holds no samples", given=request.path)
    marks, notes = _marks(targets)
    decided = decide(marks, request.task)
    if decided.missing.any():
        raise DataError(
            f"{decided.missing.sum():,} targets are missing or not numbers",
            given=request.path,
            next_step="save the array without those samples",
        )
    classes = decided.classes
    named = _texts(arrays, _CLASSES)
    if classes and named and marks.dtype.is_integer() and _indexes(targets, len(named)):
        decided_values, classes = marks.to_numpy().astype(np.int64), named
    else:
        decided_values = decided.values
    parted = None
    if parts != [None]:
        counted = [len(found[part][1]) for part in parts]
        parted = np.repeat(np.array(parts, dtype=object), counted)
    said = _series(inputs, _names(arrays))
    if said:
        features = _texts(arrays, _FEATURES)
        return RawSequences(
            name=request.path.stem,
            sequences=list(inputs.astype(np.float32)),
            targets=decided_values,
            classes=classes,
            parts=parted,
            features=features if len(features) == inputs.shape[2] else (),
            notes=[*notes, said, decided.reason, *decided.notes],
            target="y",
            reasons={"data.task": decided.reason},
        )
    pixels, pixel_range, more = _inputs(request.path, inputs)
    images = pixels.ndim == 4
    features = () if images else _texts(arrays, _FEATURES)
    return RawArrays(
        name=request.path.stem,
        inputs=pixels,
        targets=decided_values,
        classes=classes,
        parts=parted,
        features=features if len(features) == pixels.shape[-1] else (),
        notes=[*notes, *more, decided.reason, *decided.notes],
        target="y",
        pixel_range=pixel_range,
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    """Return every array of the archive; Python objects in it are never unpickled."""
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                try:
                    arrays[key] = archive[key]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    raise DataError(
                        f"the array {key!r} holds Python objects, and reading them can run any "
                        "code, so it is never done",
                        given=path,
                        next_step="save the values as an array of numbers or texts, e.g. "
                        "np.stack(images), or labels.astype(str)",
                    ) from error
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError) as error:
        raise DataError(
            f"this is not a whole .npz archive ({error})",
            given=path,
            next_step="save it again with numpy.savez",
        ) from error
    except MemoryError as error:
        raise DataError(
            "the arrays are larger than the memory",
            given=path,
            next_step="save the samples as image files or as a Parquet table",
        ) from error
    return arrays


def _roles(
    path: Path, arrays: Mapping[str, np.ndarray]
) -> dict[Part | None, tuple[np.ndarray, np.ndarray]]:
    """Return inputs and targets by part, from the names of the arrays."""
    keys: dict[tuple[Part | None, str], str] = {}
    for key in arrays:
        words = re.split(r"[_\-. ]", key.lower())
        parts = [_PARTS[word] for word in words if word in _PARTS]
        rest = [word for word in words if word not in _PARTS]
        if len(rest) != 1 or len(parts) > 1:
            continue
        role = "x" if rest[0] in _INPUTS else "y" if rest[0] in _TARGETS else None
        if role is None:
            continue
        place = (parts[0] if parts else None, role)
        if place in keys:
            raise DataError(
                f"the arrays {keys[place]!r} and {key!r} have the same meaning",
                given=path,
                next_step=f"name the arrays {KEYS}",
            )
        keys[place] = key
    found: dict[Part | None, tuple[np.ndarray, np.ndarray]] = {}
    for part in (*PARTS, None):
        pair = [keys.get((part, role)) for role in ("x", "y")]
        if pair[0] is not None and pair[1] is not None:
            found[part] = (arrays[pair[0]], arrays[pair[1]])
        elif any(pair):
            raise DataError(
                f"the array {pair[0] or pair[1]!r} has no partner",
                given=path,
                allowed=f"arrays named {KEYS}",
                next_step=f"the archive holds: {', '.join(arrays)}",
            )
    if not found or set(found) <= {"test", "validation"}:
        raise DataError(
            "the archive has no inputs and targets to learn from",
            given=path,
            allowed=f"arrays named {KEYS}",
            next_step=f"the archive holds: {', '.join(arrays) or 'nothing'}",
        )
    return found


def _joined(path: Path, pieces: list[np.ndarray], what: str) -> np.ndarray:
    if any(piece.ndim == 0 for piece in pieces):
        raise DataError(f"the {what} are a single value, not an array", given=path)
    if len({(piece.shape[1:], piece.dtype.kind) for piece in pieces}) > 1:
        raise DataError(
            f"the {what} of the parts differ in shape or type",
            given=", ".join(f"{piece.shape} {piece.dtype}" for piece in pieces),
            next_step="save all parts in one form",
        )
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _marks(targets: np.ndarray) -> tuple[pl.Series, list[str]]:
    """Return the targets as one column; one-hot rows become the index of their 1."""
    notes = []
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    elif targets.ndim == 2 and targets.dtype.kind in "buif":
        if not (np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all()):
            raise DataError(
                "several targets a sample cannot be predicted",
                given=f"targets of shape {targets.shape}",
                allowed="one class or one number a sample, or one-hot rows",
            )
        targets = targets.argmax(axis=1)
        notes.append("one-hot targets read as the index of their 1")
    if targets.ndim != 1 or targets.dtype.kind not in "buifUS":
        raise DataError(
            "these targets cannot be predicted",
            given=f"an array of shape {targets.shape} of {targets.dtype}",
            allowed="one class or one number a sample",
        )
    if targets.dtype.kind == "S":
        targets = np.char.decode(targets, "utf-8", "replace")
    values = targets.tolist() if targets.dtype.kind == "U" else targets
    return pl.Series("y", values), notes


def _texts(arrays: Mapping[str, np.ndarray], keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        if key in arrays and arrays[key].ndim == 1:
            return tuple(str(text) for text in arrays[key])
    return ()


def _indexes(targets: np.ndarray, count: int) -> bool:
    flat = targets.argmax(axis=1) if targets.ndim == 2 and targets.shape[1] > 1 else targets
    return bool(len(flat)) and int(flat.min()) >= 0 and int(flat.max()) < count


def _names(arrays: Mapping[str, np.ndarray]) -> set[str]:
    """Return the words in the names of the arrays."""
    return {word for key in arrays for word in re.split(r"[_\-. ]", key.lower())}


def _series(inputs: np.ndarray, names: set[str]) -> str:
    """Return why inputs are series of steps; nothing where they are not."""
    if inputs.ndim != 3 or 0 in inputs.shape or inputs.dtype.kind not in "uif":
        return ""
    _, steps, features = inputs.shape
    form = f"inputs of three axes are series of {steps} steps with {features} values"
    if names & set(_SERIES):
        return f"{form}, as the array's name says"
    if names & set(_IMAGES) or inputs.dtype == np.uint8:
        return ""
    odd = inputs.dtype.kind == "f" and not _like_pixels(inputs)
    if not (features < NARROW or steps >= OBLONG * features or odd):
        return ""
    why = "no picture has such values" if odd else "no picture has such a shape"
    return f"{form}: {why}; were they images, the array would have to be named images"


def _like_pixels(inputs: np.ndarray) -> bool:
    """Whether floats lie in one of the usual ranges of pixels."""
    low, high = float(inputs.min()), float(inputs.max())
    return any(floor <= low and high <= ceiling for floor, ceiling in ((-1, 1), (0, 255)))


def _inputs(path: Path, inputs: np.ndarray) -> tuple[np.ndarray, tuple[float, float], list[str]]:
    """Return images ``N x H x W x C`` uint8 or vectors ``N x D`` float32, pixel range and notes."""
    if inputs.ndim == 1:
        inputs = inputs[:, None]
    if inputs.dtype.kind not in "buif" or inputs.ndim not in (2, 3, 4) or 0 in inputs.shape[1:]:
        raise DataError(
            "these inputs cannot be learnt from",
            given=f"an array of shape {inputs.shape} of {inputs.dtype}",
            allowed="vectors (N, D), or images (N, H, W) or (N, H, W, 1 or 3)",
        )
    if inputs.ndim == 2:
        notes = ["inputs of two axes are vectors"]
        side = round(inputs.shape[1] ** 0.5)
        if inputs.dtype == np.uint8 and side * side == inputs.shape[1] and side >= 8:
            notes.append(
                f"if they are flattened images of {side} x {side} pixels, save them as "
                f"x.reshape(-1, {side}, {side}) to have them treated as images"
            )
        return inputs.astype(np.float32), (0.0, 255.0), notes
    images, notes = _channels_last(inputs)
    if images.dtype == np.uint8:
        return images, (0.0, 255.0), notes
    if not np.isfinite(images).all():
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
        raise DataError(
            f"{len(bad):,} images hold NaN or infinity, the first is number {bad[0]}",
            given=path,
            next_step="save the array without them",
        )
    low, high = _range(images)
    notes.append(f"pixels of type {images.dtype} scaled from {low:g} .. {high:g} to 0 .. 255")
    scaled = [to_pixels(piece, (low, high)) for piece in np.array_split(images, _pieces(images))]
    return np.concatenate(scaled), (low, high), notes


def _pieces(images: np.ndarray) -> int:
    """Number of pieces of about 64 MB, so that scaling needs little memory beside the array."""
    return max(1, images.nbytes >> 26)


def _channels_last(inputs: np.ndarray) -> tuple[np.ndarray, list[str]]:
    if inputs.ndim == 3:
        return inputs[..., None], ["inputs of three axes are grey images"]
    if inputs.shape[-1] in (1, 3):
        return inputs, []
    if inputs.shape[1] in (1, 3):
        return np.ascontiguousarray(inputs.transpose(0, 2, 3, 1)), [
            "images with their channels first, turned into channels last"
        ]
    raise DataError(
        "images need 1 channel (grey) or 3 (colour)",
        given=f"shape {inputs.shape}",
        allowed="(N, H, W), (N, H, W, 1), (N, H, W, 3), or the channels as second axis",
    )


def _range(images: np.ndarray) -> tuple[float, float]:
    """Return the values that black and white have, from the type and the values found."""
    low, high = float(images.min()), float(images.max())
    if images.dtype == bool:
        return 0.0, 1.0
    usual = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]
    if images.dtype.kind in "iu":
        usual = [(0.0, 1.0), (0.0, 255.0), (0.0, 65535.0)]
    for floor, ceiling in usual:
        if floor <= low and high <= ceiling:
            return floor, ceiling
    return low, max(high, low + 1.0)
