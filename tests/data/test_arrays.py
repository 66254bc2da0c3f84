"""NumPy archives: which arrays are found, what they are taken for, and what is refused."""

import numpy as np
import pytest

from gradatim.core.recipe import DataRecipe
from gradatim.core.talk import SILENCE
from gradatim.data.arrays import gather_arrays
from gradatim.data.raw import RawArrays
from gradatim.data.sources import Request, find
from gradatim.errors import (
    ColumnError,
    DataError,
    EmptySourceError,
    UsageError,
    ValueRefusedError,
)

RNG = np.random.default_rng(0)
Y = np.arange(40) % 4


def read(tmp_path, task=None, **arrays):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, **arrays)
    return find(str(path))(Request(str(path), task=task))


def test_vectors_and_classes(tmp_path):
    x = RNG.normal(size=(40, 3))
    raw = read(tmp_path, x=x, y=Y)
    np.testing.assert_array_equal(raw.inputs, x.astype(np.float32))
    np.testing.assert_array_equal(raw.targets, Y)
    assert raw.classes == ("0", "1", "2", "3")
    assert raw.parts is None
    assert "inputs of two axes are vectors" in raw.notes


def test_parts_by_name(tmp_path):
    raw = read(
        tmp_path,
        test_images=np.ones((10, 4, 4), np.uint8),
        test_labels=Y[:10],
        train_images=np.zeros((30, 4, 4), np.uint8),
        train_labels=Y[10:],
    )
    assert raw.inputs.shape == (40, 4, 4, 1)
    assert raw.parts.tolist() == ["train"] * 30 + ["test"] * 10
    assert raw.inputs[-1].max() == 1, "the parts keep their order"
    np.testing.assert_array_equal(raw.targets, np.concatenate([Y[10:], Y[:10]]))


@pytest.mark.parametrize(
    ("values", "pixel_range", "said"),
    [
        (np.array([0, 100, 255], np.uint8), (0.0, 255.0), None),
        (np.array([0.0, 0.5, 1.0]), (0.0, 1.0), "scaled from 0 .. 1"),
        (np.array([-1.0, 0.0, 1.0]), (-1.0, 1.0), "scaled from -1 .. 1"),
        (np.array([0.0, 16.0, 200.0], np.float32), (0.0, 255.0), "scaled from 0 .. 255"),
        (np.array([0, 400, 65535], np.uint16), (0.0, 65535.0), "scaled from 0 .. 65535"),
        (np.array([-3.0, 1.0, 7.0]), (-3.0, 7.0), "scaled from -3 .. 7"),
        (np.array([False, True, True]), (0.0, 1.0), "type bool"),
    ],
)
def test_pixels_are_scaled_and_said(tmp_path, values, pixel_range, said):
    images = np.broadcast_to(values[None, :, None], (40, 3, 5))
    raw = read(tmp_path, images=images, y=Y)
    assert raw.pixel_range == pixel_range
    low, high = pixel_range
    expected = np.rint((values.astype(np.float64) - low) / (high - low) * 255)
    np.testing.assert_array_equal(raw.inputs[0, :, 0, 0], expected)
    assert any(said in note for note in raw.notes) if said else True


def test_channels_first_are_turned(tmp_path):
    x = RNG.integers(0, 256, (40, 3, 6, 5)).astype(np.uint8)
    raw = read(tmp_path, x=x, y=Y)
    np.testing.assert_array_equal(raw.inputs, x.transpose(0, 2, 3, 1))
    assert any("channels first" in note for note in raw.notes)


def test_flattened_images_get_a_hint(tmp_path):
    raw = read(tmp_path, x=np.zeros((40, 64), np.uint8) + Y[:, None].astype(np.uint8), y=Y)
    assert any("x.reshape(-1, 8, 8)" in note for note in raw.notes)


def test_one_hot_targets(tmp_path):
    raw = read(tmp_path, x=RNG.normal(size=(40, 3)), y=np.eye(4)[Y])
    np.testing.assert_array_equal(raw.targets, Y)
    assert any("one-hot" in note for note in raw.notes)


def test_text_targets_and_names(tmp_path):
    raw = read(
        tmp_path,
        x=RNG.normal(size=(40, 2)),
        y=np.array(["cat", "dog"])[Y % 2],
        feature_names=np.array(["length", "weight"]),
    )
    assert raw.classes == ("cat", "dog")
    assert raw.features == ("length", "weight")
    np.testing.assert_array_equal(raw.targets, Y % 2)


def test_class_names_of_the_archive(tmp_path):
    raw = read(tmp_path, x=RNG.normal(size=(40, 2)), y=Y % 2, class_names=np.array(["no", "yes"]))
    assert raw.classes == ("no", "yes")


def test_regression(tmp_path):
    y = RNG.normal(size=40)
    raw = read(tmp_path, x=RNG.normal(size=40), y=y)
    assert raw.classes == ()
    assert raw.inputs.shape == (40, 1)
    np.testing.assert_allclose(raw.targets, y, rtol=1e-6)


def test_whole_numbers_as_regression_when_asked(tmp_path):
    assert read(tmp_path, x=RNG.normal(size=(40, 2)), y=Y, task="regression").classes == ()


def test_python_objects_are_refused_and_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = tmp_path / "set.npz"
    np.savez(path, x=np.array([Trap()] * 10, dtype=object), y=np.arange(10), allow_pickle=True)
    with pytest.raises(DataError, match="array 'x' holds Python objects") as caught:
        find(str(path))(Request(str(path)))
    assert "np.stack(images)" in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": Y}, "no inputs and targets"),
        ({"x": np.zeros((40, 2))}, "'x' has no partner"),
        ({"x_test": np.zeros((40, 2)), "y_test": Y}, "no inputs and targets"),
        ({"x": np.zeros((39, 2)), "y": Y}, "39 inputs, but 40 targets"),
        ({"x": np.zeros((40, 2)), "data": np.zeros((40, 2)), "y": Y}, "same meaning"),
        ({"x": np.zeros((40, 2, 2, 5)), "y": Y}, "1 channel"),
        ({"x": np.zeros((40, 2, 2, 2, 2)), "y": Y}, "cannot be learnt from"),
        ({"x": np.array(["a"] * 40), "y": Y}, "cannot be learnt from"),
        ({"x": np.zeros((40, 2)), "y": RNG.normal(size=(40, 2))}, "several targets"),
        ({"images": np.full((40, 4, 4), np.nan), "y": Y}, "40 images hold NaN"),
        ({"x": np.zeros((40, 2)), "y": np.full(40, np.nan)}, "40 targets are missing"),
        ({"x": np.zeros((40, 2)), "y": np.float64(3)}, "single value"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "no samples"),
    ],
)
def test_refused_with_the_reason(tmp_path, arrays, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path, **arrays)


def test_parts_that_differ_are_refused(tmp_path):
    with pytest.raises(DataError, match="differ in shape"):
        read(
            tmp_path,
            x_train=np.zeros((40, 2)),
            y_train=Y,
            x_test=np.zeros((40, 3)),
            y_test=Y,
        )


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_damaged_archive(tmp_path, damage):
    path = tmp_path / "set.npz"
    np.savez(path, x=np.zeros((40, 2)), y=Y)
    path.write_bytes(path.read_bytes()[:300] if damage is None else damage)
    with pytest.raises(DataError, match=r"not a whole \.npz archive"):
        find(str(path))(Request(str(path)))


def gather(raw, **data):
    return gather_arrays(raw, DataRecipe(**data), SILENCE)


def test_rows_with_nan_are_left_out_and_listed():
    x = RNG.normal(size=(40, 3)).astype(np.float32)
    x[7, 1], x[9, 0] = np.nan, np.inf
    y = RNG.normal(size=40)
    y[11] = np.nan
    found = gather(RawArrays("set", x, y))
    assert len(found.targets) == 37
    assert [(some.name, some.reason) for some in found.audit.rejected] == [
        ("row 8", "holds NaN or infinity"),
        ("row 10", "holds NaN or infinity"),
        ("row 12", "its target is NaN or infinite"),
    ]
    assert found.names[7] == "row 9"
    assert found.audit.found == 40


def test_nothing_usable():
    with pytest.raises(EmptySourceError):
        gather(RawArrays("set", np.full((40, 3), np.nan), Y, ("a", "b", "c", "d")))


def test_equal_images_share_a_group_and_conflicts_are_listed():
    x = RNG.integers(0, 256, (40, 5, 5)).astype(np.uint8)
    x[3] = x[20] = x[5]
    found = gather(RawArrays("set", x, Y, ("a", "b", "c", "d")))
    assert found.groups[3] == found.groups[5] == found.groups[20]
    assert len(np.unique(found.groups)) == 38
    assert found.audit.duplicates == (("row 4", "row 6", "row 21"),)
    assert found.audit.conflicts[0].labels == ("d", "b", "a")


def test_rows_of_few_values_are_not_taken_for_copies():
    x = RNG.integers(0, 3, (200, 2)).astype(np.float32)
    found = gather(RawArrays("set", x, np.arange(200) % 2, ("a", "b")))
    assert len(np.unique(found.groups)) == 200
    assert found.audit.duplicates == ()
    assert any("9 combinations" in note for note in found.audit.notes)


def test_constant_features_are_said():
    x = RNG.normal(size=(40, 3)).astype(np.float32)
    x[:, 1] = 4
    found = gather(RawArrays("set", x, Y, ("a", "b", "c", "d"), features=("p", "q", "r")))
    assert any("say nothing: q" in warning for warning in found.audit.warnings)
    facts = found.audit.features[0]
    assert (facts.name, facts.missing, facts.distinct) == ("p", 0, 40)
    assert facts.mean == pytest.approx(x[:, 0].astype(float).mean())


def test_images_are_resized_and_said():
    x = RNG.integers(0, 256, (12, 10, 16, 3)).astype(np.uint8)
    found = gather(RawArrays("set", x, np.arange(12) % 2, ("a", "b")), size=8, channels=1)
    assert found.inputs.shape == (12, 8, 8, 1)
    assert found.policy.size == 8
    assert found.audit.treated[0].count == 12
    assert "16 x 10 pixels with 3 channels" in found.audit.treated[0].treatment
    assert found.choices["data.size"] == (8, "")
    assert found.choices["data.shape"][1]


def test_images_of_the_right_size_stay_untouched():
    x = RNG.integers(0, 256, (12, 8, 8)).astype(np.uint8)
    found = gather(RawArrays("set", x, np.arange(12) % 2, ("a", "b")))
    np.testing.assert_array_equal(found.inputs[..., 0], x)
    channel = found.audit.channels[0]
    assert channel.mean == pytest.approx(x.mean())
    assert channel.std == pytest.approx(x.std())
    assert (channel.min, channel.max) == (x.min(), x.max())


def test_grey_images_in_three_channels_become_grey():
    x = np.repeat(RNG.integers(0, 256, (12, 8, 8, 1)).astype(np.uint8), 3, axis=3)
    found = gather(RawArrays("set", x, np.arange(12) % 2, ("a", "b")))
    assert found.inputs.shape == (12, 8, 8, 1)
    np.testing.assert_array_equal(found.inputs[..., 0], x[..., 0])


def test_keys_that_do_not_apply_are_refused():
    vectors = RawArrays("set", np.eye(12), np.arange(12) % 2, ("a", "b"))
    with pytest.raises(UsageError, match=r"data\.size is for images"):
        gather(vectors, size=8)
    with pytest.raises(UsageError, match="set is a classification"):
        gather(vectors, task="regression")
    with pytest.raises(UsageError, match="target column is for tables"):
        gather(vectors, target="y")
    images = RawArrays("set", np.zeros((12, 8, 8), np.uint8), np.arange(12) % 2, ("a", "b"))
    with pytest.raises(ValueRefusedError, match=r"data\.size is out of range"):
        gather(images, size=100_000)
    with pytest.raises(ValueRefusedError, match=r"data\.channels"):
        gather(images, channels=2)


def test_too_many_classes_is_a_column_error(tmp_path):
    with pytest.raises(ColumnError, match="too many for classes"):
        read(tmp_path, x=RNG.normal(size=(40, 2)), y=np.array([f"name {i}" for i in range(40)]))


def test_fingerprint_tells_contents_apart():
    x = RNG.normal(size=(40, 3)).astype(np.float32)
    classes = ("a", "b", "c", "d")
    keys = {
        gather(RawArrays("set", x, Y, classes)).key,
        gather(RawArrays("set", x + 1, Y, classes)).key,
        gather(RawArrays("set", x, np.roll(Y, 1), classes)).key,
        gather(RawArrays("set", x, Y, ("a", "b", "c", "e"))).key,
    }
    assert len(keys) == 4
    assert gather(RawArrays("other", x.copy(), Y, classes)).key in keys
