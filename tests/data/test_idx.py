"""IDX folders: right ones are read exactly, damaged ones are named with the reason."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from gradatim.data.sources import Request, find, idx
from gradatim.errors import DataError

FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def idx_bytes(array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def write(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("t10k", 6)):
        images = rng.integers(0, 256, (count, 4, 5))
        write(tmp_path / f"{part}-images-idx3-ubyte", idx_bytes(images))
        write(tmp_path / f"{part}-labels-idx1-ubyte.gz", idx_bytes(np.arange(count) % 3 + 1))
    return tmp_path


def read(folder):
    return find(str(folder))(Request(str(folder)))


def test_reads_plain_and_gzipped_files(folder):
    raw = read(folder)
    rng = np.random.default_rng(0)
    expected = np.concatenate([rng.integers(0, 256, (12, 4, 5)), rng.integers(0, 256, (6, 4, 5))])
    assert raw.inputs.dtype == np.uint8
    np.testing.assert_array_equal(raw.inputs[..., 0], expected)
    assert raw.classes == ("1", "2", "3")
    np.testing.assert_array_equal(raw.targets[:5], [0, 1, 2, 0, 1])
    assert raw.parts.tolist() == ["train"] * 12 + ["test"] * 6


def test_names_with_dots_are_read_too(folder):
    file = folder / "train-images-idx3-ubyte"
    file.rename(folder / "train-images.idx3-ubyte")
    assert len(read(folder).inputs) == 18


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda b: b[:-1], "only 239"),
        (lambda b: b + b"x", "there are more"),
        (lambda b: b"PK" + b[2:], "does not begin like an IDX file"),
        (lambda b: b[:2] + b"\x0d" + b[3:], "type 0x0d"),
        (lambda b: b[:3] + b"\x01" + b[4:], "1 axes"),
        (lambda b: b[:10], "ends inside its header"),
        (lambda b: b"", "does not begin like an IDX file"),
        (lambda b: b[:4] + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**31) + b[16:], "only 240"),
        (lambda b: b[:4] + struct.pack(">3I", 0, 4, 5) + b[16:], "empty"),
    ],
)
def test_damaged_images_are_refused_with_the_reason(folder, damage, said):
    file = folder / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=said) as caught:
        read(folder)
    assert str(file) in str(caught.value)
    assert "next: download or copy the file again" in str(caught.value)


def test_truncated_gzip_is_refused(folder):
    file = folder / "train-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-6])
    with pytest.raises(DataError, match="gzip stream is damaged"):
        read(folder)


def test_corrupt_gzip_is_refused(folder):
    file = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[12] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(DataError):
        read(folder)


def test_counts_that_differ_are_refused(folder):
    write(folder / "train-labels-idx1-ubyte.gz", idx_bytes(np.zeros(11)))
    with pytest.raises(DataError, match=r"holds 12 images, but .* holds 11 labels"):
        read(folder)


def test_missing_partner_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="images of the part test, but not its labels"):
        read(folder)


def test_missing_training_files_are_named(folder):
    for file in folder.glob("train*"):
        file.unlink()
    with pytest.raises(DataError, match="no training images"):
        read(folder)


def test_two_sets_in_one_folder_are_refused(folder):
    write(folder / "emnist-train-images-idx3-ubyte", idx_bytes(np.zeros((2, 4, 5))))
    with pytest.raises(DataError, match="several data sets"):
        read(folder)


def test_images_of_different_sizes_are_refused(folder):
    write(folder / "t10k-images-idx3-ubyte", idx_bytes(np.zeros((6, 5, 5))))
    with pytest.raises(DataError, match="differ in size"):
        read(folder)


@pytest.mark.skipif(not FASHION_FOLDER.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_debian():
    raw = find("fashion-mnist")(Request("fashion-mnist", cache=Path("nowhere")))
    assert raw.inputs.shape == (70_000, 28, 28, 1)
    assert raw.classes[0] == "T-shirt/top"
    assert raw.classes[9] == "ankle boot"
    # Known from its authors: all classes are balanced; the mean and deviation of training pixels.
    np.testing.assert_array_equal(np.bincount(raw.targets), [7000] * 10)
    train = raw.inputs[raw.parts == "train"] / np.float32(255)
    assert train.mean() == pytest.approx(0.2860, abs=1e-4)
    assert train.std() == pytest.approx(0.3530, abs=1e-4)


@pytest.mark.skipif(not FASHION_FOLDER.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_known_by_its_content():
    labels = idx.read_array(FASHION_FOLDER / "t10k-labels-idx1-ubyte.gz", axes=1)
    assert hashlib.sha256(labels.tobytes()).hexdigest() == idx.FASHION_TEST_LABELS
