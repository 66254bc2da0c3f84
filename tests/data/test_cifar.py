"""CIFAR-10 in its binary version; the pickled one is refused."""

import numpy as np
import pytest

from gradatim.data.sources import Request, cifar, find
from gradatim.errors import DataError

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def write_cifar(folder, records=7):
    """Write small files in the layout of CIFAR-10 and return what they hold."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    labels, images = [], []
    for file in (*cifar.TRAIN_FILES, cifar.TEST_FILE):
        labels.append(rng.integers(0, 10, records))
        images.append(rng.integers(0, 256, (records, 32, 32, 3)).astype(np.uint8))
        content = b"".join(
            bytes([label]) + image.transpose(2, 0, 1).tobytes()
            for label, image in zip(labels[-1], images[-1], strict=True)
        )
        (folder / file).write_bytes(content)
    (folder / cifar.NAMES_FILE).write_text("\n".join(NAMES) + "\n\n")
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_reads_images_labels_parts_and_names(tmp_path, inner):
    images, labels = write_cifar(tmp_path / inner)
    raw = find(str(tmp_path))(Request(str(tmp_path)))
    np.testing.assert_array_equal(raw.inputs, images)
    np.testing.assert_array_equal(raw.targets, labels)
    assert raw.classes == NAMES
    assert raw.parts.tolist() == ["train"] * 35 + ["test"] * 7


def test_truncated_file_is_refused(tmp_path):
    write_cifar(tmp_path)
    file = tmp_path / "data_batch_3.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match="not a whole number of records") as caught:
        find(str(tmp_path))(Request(str(tmp_path)))
    assert "data_batch_3.bin" in str(caught.value)


def test_missing_file_is_named(tmp_path):
    write_cifar(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"test_batch\.bin"):
        find(str(tmp_path))(Request(str(tmp_path)))


def test_label_without_name_is_refused(tmp_path):
    write_cifar(tmp_path)
    (tmp_path / cifar.NAMES_FILE).write_text("airplane\n")
    with pytest.raises(DataError, match="names 1 classes"):
        find(str(tmp_path))(Request(str(tmp_path)))


def test_pickled_version_is_never_read(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match="pickle can run any code"):
        find(str(tmp_path))
