"""Folders of IDX files, the format of the MNIST family (LeCun, Cortes and Burges, 1998).

A file is a header (two zero bytes, a type code, the number of axes, one big-endian 32-bit size an
axis) and then the values. Images and labels come in pairs of files, gzipped or not.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import re
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from gradatim.data.dataset import PARTS, Part
from gradatim.data.raw import RawArrays
from gradatim.data.sources import Request
from gradatim.errors import DataError

_NAME = re.compile(
    r"^(?P<set>.*?)(?P<part>train|t10k|test|validation|valid|val)[-.]"
    r"(?P<what>images|labels)[-.]idx(?P<axes>\d)-ubyte(\.gz)?$"
)
_PARTS: dict[str, Part] = {
    "train": "train",
    "t10k": "test",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
}
_UNSIGNED_BYTE = 0x08

FASHION = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""Names of the classes of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017)."""

FASHION_TEST_LABELS = "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9"
"""SHA-256 of the 10,000 test labels: how Fashion-MNIST is known, as its files name no classes."""


def read(request: Request) -> RawArrays:
    """Read every pair of images and labels in a folder.

    Raises:
        DataError: a file is damaged, has no partner or does not fit it.
    """
    return read_folder(request.path, request.path.resolve().name)


def read_folder(folder: Path, name: str) -> RawArrays:
    """Read a folder as ``read``, under a name."""
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    parts: list[Part] = []
    for part, (image_file, label_file) in _pairs(folder).items():
        pixels, marks = read_array(image_file, axes=3), read_array(label_file, axes=1)
        if len(pixels) != len(marks):
            raise DataError(
                f"{image_file.name} holds {len(pixels):,} images, but {label_file.name} holds "
                f"{len(marks):,} labels",
                given=folder,
                next_step="put the two files of one data set there",
            )
        if images and pixels.shape[1:] != images[0].shape[1:]:
            raise DataError(
                "the images of the parts differ in size",
                given=f"{images[0].shape[1:]} and {pixels.shape[1:]} in {folder}",
                next_step="keep the files of one data set in a folder of their own",
            )
        images.append(pixels)
        labels.append(marks)
        parts += [part] * len(marks)
    marks = np.concatenate(labels)
    values, targets = np.unique(marks, return_inverse=True)
    fashion = any(
        hashlib.sha256(part.tobytes()).hexdigest() == FASHION_TEST_LABELS for part in labels
    )
    return RawArrays(
        name=name,
        inputs=np.concatenate(images)[..., None],
        targets=targets.astype(np.int64),
        classes=FASHION if fashion else tuple(str(value) for value in values),
        parts=np.array(parts, dtype=object),
        notes=["known by its content as Fashion-MNIST, so its classes have names"]
        if fashion
        else (),
        target="label",
    )


def read_array(path: Path, axes: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes with the number of axes expected.

    Raises:
        DataError: the header is wrong, or values are missing or left over.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            return _read_values(path, cast(BinaryIO, file), axes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, f"the gzip stream is damaged ({error})") from error
    except OSError as error:
        raise DataError(
            f"the file cannot be read ({error.strerror or error})", given=path
        ) from error


def _read_values(path: Path, file: BinaryIO, axes: int) -> np.ndarray:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise _damaged(path, "it does not begin like an IDX file")
    if head[2] != _UNSIGNED_BYTE or head[3] != axes:
        raise _damaged(
            path,
            f"type 0x{head[2]:02x} with {head[3]} axes, where unsigned bytes (0x08) with {axes} "
            f"{'axis' if axes == 1 else 'axes'} are expected",
        )
    sizes_bytes = file.read(4 * axes)
    if len(sizes_bytes) < 4 * axes:
        raise _damaged(path, "it ends inside its header")
    shape = tuple(int(size) for size in np.frombuffer(sizes_bytes, ">u4"))
    if 0 in shape:
        raise _damaged(path, f"its header says it is empty: {' x '.join(map(str, shape))}")
    wanted = math.prod(shape)
    content = _read_at_most(file, wanted + 1)
    if len(content) != wanted:
        word = "more" if len(content) > wanted else f"only {len(content):,}"
        raise _damaged(
            path,
            f"its header says {' x '.join(map(str, shape))} = {wanted:,} values, but there are "
            f"{word}",
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_at_most(file: BinaryIO, count: int) -> bytes:
    """Read up to ``count`` bytes in pieces: a header that lies must not reserve memory."""
    pieces, left = [], count
    while left and (piece := file.read(min(left, 1 << 24))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"this is not a whole IDX file: {why}",
        given=path,
        next_step="download or copy the file again",
    )


def _pairs(folder: Path) -> dict[Part, tuple[Path, Path]]:
    """Return the file of images and the file of labels of each part, in the order of the parts."""
    found: dict[tuple[Part, str], list[Path]] = {}
    sets = set()
    for path in sorted(folder.iterdir()):
        match = _NAME.match(path.name)
        if match and path.is_file():
            sets.add(match["set"])
            found.setdefault((_PARTS[match["part"]], match["what"]), []).append(path)
    if len(sets) > 1:
        raise DataError(
            f"the folder holds several data sets: {', '.join(sorted(sets))}",
            given=folder,
            next_step="move the files of one data set into a folder of their own",
        )
    pairs: dict[Part, tuple[Path, Path]] = {}
    for part in PARTS:
        files = [found.get((part, what), []) for what in ("images", "labels")]
        if not any(files):
            continue
        if not all(files):
            present, absent = ("images", "labels") if files[0] else ("labels", "images")
            raise DataError(
                f"the folder has the {present} of the part {part}, but not its {absent}",
                given=folder,
                next_step=f"add the file of {absent}, e.g. train-labels-idx1-ubyte.gz",
            )
        pairs[part] = (_plain_first(files[0]), _plain_first(files[1]))
    if "train" not in pairs:
        raise DataError(
            "the folder has no training images in the IDX format",
            given=folder,
            next_step="add train-images-idx3-ubyte(.gz) and train-labels-idx1-ubyte(.gz)",
        )
    return pairs


def _plain_first(files: list[Path]) -> Path:
    """Of a file and its gzipped twin, prefer the one that needs no unpacking."""
    return min(files, key=lambda path: path.suffix == ".gz")
