"""Reading and normalising: predict sees what training saw; JSON keeps every bit."""

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from gradatim.data.columns import Column
from gradatim.data.preprocessing import Preprocessing
from gradatim.errors import ColumnError, ValueRefusedError

RNG = np.random.default_rng(0)
GREY = Preprocessing("image", (0.3,), (0.37,), size=8, channels=1, pixel_range=(0.0, 16.0))
COLOUR = Preprocessing("image", (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), size=6, channels=3)
VECTOR = Preprocessing("vector", (1.0, 2.0), (2.0, 4.0), features=("p", "q"))
TABLE = Preprocessing(
    "table",
    (10.0, 0.0, 0.0),
    (5.0, 1.0, 1.0),
    target_mean=100.0,
    target_std=20.0,
    columns=(Column("age", "number", fill=9.0), Column("sex", "category", categories=("f", "m"))),
)


@pytest.mark.parametrize("one", [GREY, COLOUR, VECTOR, TABLE])
def test_json_keeps_everything(one):
    again = Preprocessing.from_dict(json.loads(json.dumps(one.to_dict())))
    assert again == one
    assert hash(again) == hash(one)


def test_images_are_normalised_by_channel():
    images = RNG.integers(0, 256, (3, 6, 6, 3)).astype(np.uint8)
    out = COLOUR.normalise(images)
    assert (out.shape, out.dtype) == ((3, 3, 6, 6), np.float32)
    assert out.flags["C_CONTIGUOUS"]
    expected = (images[1, 2, 3, 1] / 255 - 0.4) / 0.25
    assert out[1, 1, 2, 3] == pytest.approx(expected, rel=1e-6)


def test_vectors_are_standardised():
    np.testing.assert_allclose(VECTOR.normalise(np.array([[3.0, -2.0]], np.float32)), [[1.0, -1.0]])


def test_targets_there_and_back():
    values = np.array([80.0, 100.0, 140.0])
    np.testing.assert_allclose(TABLE.standardise(values), [-1, 0, 2])
    np.testing.assert_allclose(TABLE.in_unit(TABLE.standardise(values)), values)
    assert TABLE.standardise(values).dtype == np.float32


def test_float_arrays_are_read_in_the_range_of_the_source():
    digit = RNG.integers(0, 17, (8, 8)).astype(np.float64)
    stored = GREY.read_array(digit)
    np.testing.assert_array_equal(stored[0, :, :, 0], np.rint(digit * 255 / 16))


def test_uint8_arrays_are_pixels():
    pixels = RNG.integers(0, 256, (5, 8, 8)).astype(np.uint8)
    np.testing.assert_array_equal(GREY.read_array(pixels)[..., 0], pixels)


def test_floats_up_to_one_and_up_to_255():
    pixels = RNG.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(COLOUR.read_array(pixels / 255)[0], pixels)
    np.testing.assert_array_equal(COLOUR.read_array(pixels.astype(float))[0], pixels)
    np.testing.assert_array_equal(COLOUR.read_array(pixels.astype(np.int64))[0], pixels)


def test_other_sizes_and_channels_are_fitted():
    assert GREY.read_array(RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)).shape == (1, 8, 8, 1)
    assert COLOUR.read_array(np.zeros((2, 9, 9), np.uint8)).shape == (2, 6, 6, 3)


@pytest.mark.parametrize(
    ("one", "array", "said"),
    [
        (GREY, np.full((8, 8), 17.0), "outside the range"),
        (GREY, np.full((8, 8), np.nan), "NaN"),
        (GREY, np.zeros(8), "does not fit"),
        (GREY, np.array(["a"]), "array of numbers"),
        (COLOUR, np.full((6, 6), -1), "outside the range"),
        (VECTOR, np.zeros(3), "does not fit"),
        (VECTOR, np.zeros((2, 2, 2)), "does not fit"),
        (TABLE, np.zeros(3), "named columns"),
    ],
)
def test_wrong_arrays_are_refused(one, array, said):
    with pytest.raises(ValueRefusedError, match=said):
        one.read_array(array)


def test_files_are_read_as_the_store_reads_them(tmp_path):
    pixels = RNG.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    Image.fromarray(pixels[::-1].copy()).save(tmp_path / "c.png")
    stored, rejected = COLOUR.read_files([tmp_path / name for name in ("a.png", "b.png", "c.png")])
    np.testing.assert_array_equal(stored, np.stack([pixels, pixels[::-1]]))
    assert rejected[0][0] == tmp_path / "b.png"
    assert "text file" in rejected[0][1]
    none, _ = COLOUR.read_files([tmp_path / "b.png"])
    assert none.shape == (0, 6, 6, 3)


def test_a_table_is_read_by_column_names():
    frame = pl.DataFrame({"sex": ["m", "f"], "more": [0, 0], "age": ["12", None]})
    np.testing.assert_array_equal(TABLE.read_frame(frame), [[12, 0, 1], [9, 1, 0]])
    with pytest.raises(ColumnError, match="lacks a column the model needs: 'sex'"):
        TABLE.read_frame(frame.drop("sex"))


def test_vectors_are_read_from_named_columns_in_any_order():
    frame = pl.DataFrame({"q": ["2.5"], "p": ["1"]})
    np.testing.assert_array_equal(VECTOR.read_frame(frame), [[1, 2.5]])
    comma = pl.DataFrame({"q": ["2,5"], "p": ["1"]})
    np.testing.assert_array_equal(VECTOR.read_frame(comma), [[1, 2.5]])
    with pytest.raises(ColumnError, match="lacks columns"):
        VECTOR.read_frame(frame.drop("q"))
    with pytest.raises(ColumnError, match="1 values of this column are missing"):
        VECTOR.read_frame(pl.DataFrame({"p": [None, 1.0], "q": [1.0, 1.0]}))


def test_vectors_without_names_take_as_many_columns():
    nameless = Preprocessing("vector", (0.0, 0.0), (1.0, 1.0))
    np.testing.assert_array_equal(nameless.read_frame(pl.DataFrame({"a": [1], "b": [2]})), [[1, 2]])
    with pytest.raises(ColumnError, match="it takes 2 values a row"):
        nameless.read_frame(pl.DataFrame({"a": [1]}))


def test_kinds_are_not_mixed(tmp_path):
    with pytest.raises(ValueRefusedError, match="takes images"):
        GREY.read_frame(pl.DataFrame({"a": [1]}))
    with pytest.raises(ValueRefusedError, match="takes rows of a table"):
        TABLE.read_files([tmp_path / "a.png"])
