"""CIFAR-10 in its binary version (Krizhevsky, 2009); the pickled version is never read.

A file holds 10,000 records of 3,073 bytes: the label, then 32 x 32 red, green and blue values.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gradatim.data.raw import RawArrays
from gradatim.data.sources import Request
from gradatim.errors import DataError

TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILE = "test_batch.bin"
NAMES_FILE = "batches.meta.txt"
FOLDER = "cifar-10-batches-bin"
RECORD = 1 + 3 * 32 * 32


def read(request: Request) -> RawArrays:
    """Read a folder with the binary files, or one that holds their usual folder.

    Raises:
        DataError: a file is missing or damaged.
    """
    return read_folder(request.path, request.path.resolve().name)


def read_folder(folder: Path, name: str) -> RawArrays:
    """Read a folder as ``read``, under a name."""
    inner = folder / FOLDER
    folder = inner if inner.is_dir() else folder
    files = [*TRAIN_FILES, TEST_FILE]
    records = [_records(folder / file) for file in files]
    parts = np.repeat(
        np.array(["train"] * 5 + ["test"], dtype=object), [len(part) for part in records]
    )
    total = sum(len(part) for part in records)
    images = np.empty((total, 32, 32, 3), np.uint8)
    labels = np.empty(total, np.int64)
    start = 0
    for part in records:
        stop = start + len(part)
        labels[start:stop] = part[:, 0]
        images[start:stop] = part[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = stop
    classes = _names(folder / NAMES_FILE)
    if labels.max() >= len(classes):
        raise DataError(
            f"a label is {labels.max()}, but {NAMES_FILE} names {len(classes)} classes",
            given=folder,
            next_step="download the files again",
        )
    return RawArrays(
        name=name, inputs=images, targets=labels, classes=classes, parts=parts, target="label"
    )


def _records(path: Path) -> np.ndarray:
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(
            f"a file of CIFAR-10 cannot be read ({error.strerror or error})",
            given=path,
            next_step=f"the folder must hold {', '.join((*TRAIN_FILES, TEST_FILE, NAMES_FILE))}",
        ) from error
    if len(content) == 0 or len(content) % RECORD:
        raise DataError(
            f"the file is not a whole number of records of {RECORD:,} bytes",
            given=f"{path} ({len(content):,} bytes)",
            next_step="download or copy the file again",
        )
    return content.reshape(-1, RECORD)


def _names(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "the names of the classes cannot be read",
            given=path,
            next_step=f"put {NAMES_FILE} of CIFAR-10 beside the other files",
        ) from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())
