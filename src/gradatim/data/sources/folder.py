"""A folder of pictures, one sub-folder a class, with or without parts.

::

    photos/cat/1.jpg            photos/train/cat/1.jpg        parts by name, in any case:
    photos/cat/summer/2.jpg     photos/validation/cat/2.jpg   train; validation, val, valid, dev;
    photos/dog/3.jpg            photos/test/dog/3.jpg         test

Classes are the sorted union of the class folders of all parts, so a part without one class
cannot shift the indices of the others. Below a class folder everything belongs to the class.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gradatim.data.audit import printable
from gradatim.data.dataset import Part
from gradatim.data.decode import SUFFIXES
from gradatim.data.raw import RawImages
from gradatim.errors import (
    DataError,
    EmptySourceError,
    SourceNotFoundError,
    TooFewClassesError,
    closest,
)

if TYPE_CHECKING:
    from gradatim.data.sources import Request

PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_ORDER: tuple[Part | None, ...] = ("train", "validation", "test", None)

LAYOUT = (
    "put the pictures of each class into a sub-folder named after it, "
    "e.g. {0}/cat/1.jpg, {0}/dog/2.jpg"
)
_BESIDE_PARTS = "lies beside the part folders (train, validation, test)"
_BESIDE_CLASSES = "lies beside the class folders, so it has no class"


@dataclass
class Tree:
    """The files below a folder, each directory gone through once.

    Attributes:
        pictures: paths of files whose ending is that of a picture, relative to the folder, sorted.
        unused: everything else with the reason, sorted.
    """

    pictures: list[str] = field(default_factory=list)
    unused: list[tuple[str, str]] = field(default_factory=list)


def read(request: Request) -> RawImages:
    """Read a folder of pictures.

    Raises:
        SourceNotFoundError: there is no such folder.
        EmptySourceError: no picture is in it.
        TooFewClassesError: fewer than two class folders hold pictures.
        DataError: parts and classes are mixed, or the parts lie inside the class folders.
    """
    root = request.path
    if not root.is_dir():
        raise not_found(root)
    name = root.resolve().name or str(root)
    tree = walk(root)
    if not tree.pictures:
        raise _empty(root, tree)
    root, tree = _unwrap(root, tree)
    parted = _is_parted(root, tree)

    files: list[tuple[int, str, str]] = []  # (order of the part, class, path)
    unused = list(tree.unused)
    for path in tree.pictures:
        folders = path.split("/")[:-1]
        part = PART_NAMES.get(folders[0].lower()) if parted and folders else None
        if parted and part is None:
            unused.append((path, _BESIDE_PARTS))
            continue
        inner = folders[1:] if parted else folders
        if not inner:
            unused.append((path, _BESIDE_CLASSES))
            continue
        files.append((_ORDER.index(part), inner[0], path))
    files.sort(key=lambda row: (row[0], os.fsencode(row[1]), os.fsencode(row[2])))

    classes = sorted({label for _, label, _ in files}, key=os.fsencode)
    if len(classes) < 2:
        raise _too_few(root, classes, tree)
    return RawImages(
        name=printable(name),
        root=root,
        files=[root / path for _, _, path in files],
        labels=[printable(label) for _, label, _ in files],
        parts=[_ORDER[order] for order, _, _ in files],
        unused=[(printable(path), reason) for path, reason in sorted(unused)],
        target="class",
        notes=_notes(root, classes, parted, unused),
    )


def walk(folder: Path) -> Tree:
    """Go through a folder without ever waiting, opening a file or going round in a circle.

    Links to folders are followed after all real folders, each folder once, so that a link neither
    leads round in a circle nor takes the place of the folder it points to.
    """
    tree = Tree()
    seen = {_identity(os.stat(folder))}  # noqa: PTH116 - as in the loop below
    real, linked = deque([""]), deque[str]()
    while real or linked:
        is_link = not real
        prefix = (linked if is_link else real).popleft()
        place = os.path.join(folder, prefix)  # noqa: PTH118 - names are not normalised
        if prefix:
            problem = _visit(place, seen, is_link)
            if problem:
                tree.unused.append((prefix, problem))
                continue
        try:
            entries = sorted(os.scandir(place), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            tree.unused.append((prefix or ".", f"folder cannot be read: {error.strerror}"))
            continue
        for entry in entries:
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.name.startswith("."):
                tree.unused.append((path, "hidden"))
            elif _is_folder(entry):
                (linked if entry.is_symlink() else real).append(path)
                if _looks_like_picture(entry.name):
                    tree.unused.append((path, "a folder, though its name ends like a picture's"))
            elif _looks_like_picture(entry.name):
                tree.pictures.append(path)
            else:
                tree.unused.append((path, "not a picture by the ending of its name"))
    tree.pictures.sort(key=os.fsencode)
    tree.unused.sort(key=lambda row: os.fsencode(row[0]))
    return tree


def not_found(path: Path) -> SourceNotFoundError:
    """Return the error for a path where nothing is, with the name beside it that is most alike."""
    try:
        beside = sorted(entry.name for entry in path.absolute().parent.iterdir())
    except OSError:
        beside = []
    like = closest(path.name, beside)
    return SourceNotFoundError(
        "there is no file or folder at this place",
        given=path,
        next_step=f"did you mean {printable(path.with_name(like))}?" if like else "check the path",
    )


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _looks_like_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - Path is slow here


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead round in a circle
        return False


def _visit(place: str, seen: set[tuple[int, int]], is_link: bool) -> str:
    """Note a folder as seen; return why it is left out, or nothing."""
    try:
        status = os.stat(place)  # noqa: PTH116
    except OSError as error:
        return f"folder cannot be read: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return "not a folder any more"
    identity = _identity(status)
    # Some file systems give no number of a file (0): then only links can be taken for seen.
    if identity in seen and (is_link or identity[1]):
        return "link to a folder that is read already" if is_link else "folder read already"
    seen.add(identity)
    return ""


def _unwrap(root: Path, tree: Tree) -> tuple[Path, Tree]:
    """Step into the only folder of a folder when the parts lie there, as archives unpack."""
    top = {path.split("/")[0] for path in tree.pictures}
    if len(top) != 1 or any("/" not in path for path in tree.pictures):
        return root, tree
    only = next(iter(top))
    below = {path.split("/")[1].lower() for path in tree.pictures if path.count("/") > 1}
    if only.lower() in PART_NAMES or not below or not below <= PART_NAMES.keys():
        return root, tree
    return root / only, walk(root / only)


def _is_parted(root: Path, tree: Tree) -> bool:
    """Tell whether the folders at the top are parts rather than classes.

    Raises:
        DataError: they are both.
    """
    below: dict[str, set[str]] = {}
    for path in tree.pictures:
        top, *rest = path.split("/")
        if rest:
            below.setdefault(top, set()).update(rest[:-1][:1])
    parts = {name for name in below if name.lower() in PART_NAMES}
    others = below.keys() - parts
    if _has_train(parts):
        return True
    if parts and not others:
        raise DataError(
            "there is no training part",
            given=root,
            next_step=f"rename one of {', '.join(sorted(parts))} to train",
        )
    if not parts and below and all(_has_train(inner) for inner in below.values()):
        first, last = min(below), max(below)
        raise DataError(
            f"the parts lie inside the folders {printable(first)} ... {printable(last)}",
            given=root,
            next_step=f"give one of them if each is a data set, e.g. {printable(root / first)}; "
            f"if each is a class, put the parts on top, e.g. train/{printable(first)}",
        )
    mixed = [name for name in parts if below[name] & others]
    if mixed:
        raise DataError(
            f"the part folder {mixed[0]!r} lies beside class folders "
            f"({', '.join(sorted(map(printable, others))[:3])}, ...)",
            given=root,
            next_step=f"move the class folders into {root / 'train'}",
        )
    return False


def _has_train(names: set[str]) -> bool:
    return any(PART_NAMES.get(name.lower()) == "train" for name in names)


def _notes(
    root: Path, classes: list[str], parted: bool, unused: list[tuple[str, str]]
) -> list[str]:
    """Say what a reader must not miss: class folders without pictures, pictures without a class."""
    tops = [root]
    if parted:
        tops = [entry for entry in _folders(root) if entry.name.lower() in PART_NAMES]
    empty = {inner.name for top in tops for inner in _folders(top)} - set(classes)
    notes = [
        f"The folder {printable(name)} holds no picture in any part; it is not a class."
        for name in sorted(empty, key=os.fsencode)
    ]
    for reason in (_BESIDE_PARTS, _BESIDE_CLASSES):
        beside = [path for path, why in unused if why == reason]
        if beside:
            what = "1 picture is" if len(beside) == 1 else f"{len(beside):,} pictures are"
            notes.append(f"{what} not used, e.g. {printable(beside[0])}: {reason}.")
    return notes


def _folders(place: Path) -> Iterator[Path]:
    try:
        entries = list(place.iterdir())
    except OSError:
        return
    yield from (entry for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _empty(root: Path, tree: Tree) -> EmptySourceError:
    count = len(tree.unused)
    others = f" ({count:,} other file{'s' if count > 1 else ''})" if count else ""
    return EmptySourceError(
        f"no picture is in this folder{others}",
        given=root,
        allowed=f"files that end in {', '.join(sorted(SUFFIXES - {'.heic', '.heif', '.svg'}))}",
        next_step=LAYOUT.format(printable(root.name or "photos")),
    )


def _too_few(root: Path, classes: list[str], tree: Tree) -> TooFewClassesError:
    name = printable(root.name or "photos")
    if not classes:
        return TooFewClassesError(
            f"the {len(tree.pictures):,} pictures lie in the folder itself, so none has a class",
            given=root,
            next_step=f"{LAYOUT.format(name)}; or give a table of paths and labels",
        )
    inner = {path.split("/")[1] for path in tree.pictures if path.count("/") > 1}
    if len(inner) > 1 and classes[0].lower() not in PART_NAMES:
        next_step = f"if the classes are the folders in it, give {printable(root / classes[0])}"
    else:
        next_step = "add a folder with pictures of a second class"
    return TooFewClassesError(
        f"only one class is there ({printable(classes[0])}): nothing to tell apart",
        given=root,
        next_step=next_step,
    )
