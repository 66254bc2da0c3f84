import os
import sys

import pytest

from gradatim.data.sources import Request
from gradatim.data.sources.folder import read, walk
from gradatim.errors import (
    DataError,
    EmptySourceError,
    SourceNotFoundError,
    TooFewClassesError,
)


def fill(root, *paths):
    """Make files; what is in them does not matter, the source opens none."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


def found(root):
    raw = read(Request(str(root)))
    names = [path.relative_to(raw.root).as_posix() for path in raw.files]
    return list(zip(names, raw.labels, raw.parts, strict=True)), raw


def test_class_folders_without_parts(tmp_path):
    fill(tmp_path, "dog/b.jpg", "dog/a.PNG", "cat/deep/er/c.jpeg", "cat/notes.txt")
    rows, raw = found(tmp_path)
    assert rows == [
        ("cat/deep/er/c.jpeg", "cat", None),
        ("dog/a.PNG", "dog", None),
        ("dog/b.jpg", "dog", None),
    ]
    assert raw.name == tmp_path.name
    assert list(raw.unused) == [("cat/notes.txt", "not a picture by the ending of its name")]


@pytest.mark.parametrize("validation", ["val", "Validation", "VALID", "dev"])
def test_parts_in_any_case_and_spelling(tmp_path, validation):
    fill(tmp_path, "Test/a/1.jpg", "TRAIN/b/2.jpg", "TRAIN/a/3.jpg", f"{validation}/b/4.jpg")
    rows, _ = found(tmp_path)
    assert [(label, part) for _, label, part in rows] == [
        ("a", "train"),
        ("b", "train"),
        ("b", "validation"),
        ("a", "test"),
    ]


def test_a_part_without_one_class_shifts_nothing(tmp_path):
    fill(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "train/c/3.jpg", "val/c/4.jpg")
    (tmp_path / "val" / "a").mkdir()
    rows, _ = found(tmp_path)
    assert rows[-1] == ("val/c/4.jpg", "c", "validation")


def test_what_lies_beside_is_listed_and_noted(tmp_path):
    fill(tmp_path, "train/a/1.jpg", "train/b/2.jpg", "train/3.jpg", "extra/a/4.jpg", "5.jpg")
    (tmp_path / "train" / "none").mkdir()
    rows, raw = found(tmp_path)
    assert len(rows) == 2
    assert {path for path, _ in raw.unused} == {"train/3.jpg", "extra/a/4.jpg", "5.jpg"}
    assert any("folder none holds no picture" in note for note in raw.notes)
    assert any(note.startswith("2 pictures are not used") for note in raw.notes)
    assert any(note.startswith("1 picture is not used, e.g. train/3.jpg") for note in raw.notes)


def test_the_folder_of_an_unpacked_archive_is_stepped_into(tmp_path):
    fill(tmp_path, "set/train/a/1.jpg", "set/train/b/2.jpg", "set/test/a/3.jpg", "readme.txt")
    rows, raw = found(tmp_path)
    assert [part for _, _, part in rows] == ["train", "train", "test"]
    assert raw.root == tmp_path / "set"


def test_a_class_may_be_named_like_a_part(tmp_path):
    fill(tmp_path, "valid/1.jpg", "invalid/2.jpg")
    assert {label for _, label, _ in found(tmp_path)[0]} == {"valid", "invalid"}


def test_names_are_printable_and_different_names_stay_different(tmp_path):
    odd = ["<b>x", "line\nbreak", "back\\slash" if os.sep == "/" else "backslash"]
    fill(tmp_path, *(f"{name}/1.jpg" for name in odd))
    labels = [label for _, label, _ in found(tmp_path)[0]]
    assert len(set(labels)) == 3 and all(label.isprintable() for label in labels)
    assert "<b>x" in labels and "line\\nbreak" in labels


# --- refused ------------------------------------------------------------------------------------


def message(error, root):
    with pytest.raises(error) as caught:
        read(Request(str(root)))
    return str(caught.value)


def test_a_missing_folder_names_the_closest_beside_it(tmp_path):
    (tmp_path / "photos").mkdir()
    text = message(SourceNotFoundError, tmp_path / "fotos")
    assert "no file or folder" in text and f"did you mean {tmp_path / 'photos'}?" in text


def test_no_picture_at_all(tmp_path):
    fill(tmp_path, "cat/readme.txt")
    text = message(EmptySourceError, tmp_path)
    assert "no picture is in this folder (1 other file)" in text
    assert "cat/1.jpg" in text and ".jpg" in text


def test_pictures_without_class_folders_get_the_layout_explained(tmp_path):
    fill(tmp_path, "1.jpg", "2.jpg")
    text = message(TooFewClassesError, tmp_path)
    assert "the 2 pictures lie in the folder itself" in text
    assert f"{tmp_path.name}/cat/1.jpg" in text


def test_one_class(tmp_path):
    fill(tmp_path, "cat/1.jpg", "cat/2.jpg")
    assert "only one class is there (cat)" in message(TooFewClassesError, tmp_path)


def test_one_class_that_holds_the_classes(tmp_path):
    fill(tmp_path, "photos/cat/1.jpg", "photos/dog/2.jpg")
    assert f"give {tmp_path / 'photos'}" in message(TooFewClassesError, tmp_path)


def test_part_and_class_folders_mixed(tmp_path):
    fill(tmp_path, "cat/1.jpg", "dog/2.jpg", "test/cat/3.jpg")
    text = message(DataError, tmp_path)
    assert "'test' lies beside class folders" in text and str(tmp_path / "train") in text


def test_parts_inside_the_classes(tmp_path):
    fill(tmp_path, "cat/train/1.jpg", "cat/test/2.jpg", "dog/train/3.jpg")
    text = message(DataError, tmp_path)
    assert "the parts lie inside the folders cat ... dog" in text and "train/cat" in text


def test_no_training_part(tmp_path):
    fill(tmp_path, "val/cat/1.jpg", "test/dog/2.jpg")
    assert "no training part" in message(DataError, tmp_path)


def test_pictures_of_parts_without_classes(tmp_path):
    fill(tmp_path, "train/1.jpg", "test/2.jpg")
    assert "none has a class" in message(TooFewClassesError, tmp_path)


# --- links and other traps ----------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")


@posix
def test_links_to_folders_are_followed_once(tmp_path):
    real = fill(tmp_path / "real", "1.jpg")
    root = fill(tmp_path / "root", "dog/2.jpg")
    (root / "cat").symlink_to(real)
    (root / "copy").symlink_to(real)
    (root / "dog" / "up").symlink_to(root)
    rows, raw = found(root)
    assert [label for _, label, _ in rows] == ["cat", "dog"]
    assert list(raw.unused) == [
        (path, "link to a folder that is read already") for path in ("copy", "dog/up")
    ]


@posix
def test_a_real_folder_goes_before_a_link_to_it(tmp_path):
    root = fill(tmp_path, "zebra/1.jpg", "dog/2.jpg")
    (root / "a-link").symlink_to(root / "zebra")
    assert {label for _, label, _ in found(root)[0]} == {"zebra", "dog"}


@posix
def test_crossed_links_do_not_grow_without_bound(tmp_path):
    for level in range(12):
        (tmp_path / f"d{level}").mkdir()
        for name in "ab":
            (tmp_path / f"d{level}" / name).symlink_to(tmp_path / f"d{(level + 1) % 12}")
    fill(tmp_path, "d11/1.jpg")
    tree = walk(tmp_path)
    assert tree.pictures == ["d11/1.jpg"]
    assert len(tree.unused) == 24


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads anything")
def test_a_folder_that_cannot_be_read_is_listed(tmp_path):
    root = fill(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    (root / "c").chmod(0)
    try:
        _, raw = found(root)
    finally:
        (root / "c").chmod(0o700)
    assert list(raw.unused) == [("c", "folder cannot be read: Permission denied")]
