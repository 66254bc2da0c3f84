"""One test over every source that needs no network, by name and by kind of file."""

import gzip
import json
import struct

import numpy as np
import polars as pl
import pytest
from PIL import Image

from gradatim.core.recipe import Recipe
from gradatim.data import SOURCES, prepare
from gradatim.data.dataset import PARTS, Split
from gradatim.data.padded import lengths_of
from gradatim.data.preprocessing import Preprocessing

NETWORK = {"mnist", "fashion-mnist", "cifar10"}  # read as "idx" and "cifar" are
FILES = ("folder", "image table", "table", "regression table", "arrays", "idx", "cifar")
FILES += ("text rows", "text file", "series rows", "series arrays")
BY_POSITION = {"text file"}  # split by position, whatever the seed
RNG = np.random.default_rng(0)


ROWS = [*(name for name in SOURCES if name not in NETWORK), *FILES]


def write(kind, folder):
    """Write a small source of one kind and return its path and the values of the recipe."""
    target = {}
    if kind in ("folder", "image table"):
        for index in range(60):
            label = ("cat", "dog")[index % 2]
            (folder / label).mkdir(exist_ok=True)
            pixels = RNG.integers(0, 256, (12, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{index}.png")
        if kind == "image table":
            lines = [f"{('cat', 'dog')[i % 2]}/{i}.png,{('cat', 'dog')[i % 2]}" for i in range(60)]
            (folder / "labels.csv").write_text("path,label\n" + "\n".join(lines))
            return folder / "labels.csv", target
        return folder, target
    if "table" in kind:
        x = RNG.normal(size=80)
        frame = pl.DataFrame(
            {
                "x": [None if i % 9 == 0 else value for i, value in enumerate(x)],
                "place": [("Rome", "Oslo", None)[i % 3] for i in range(80)],
                "label": [("yes", "no")[int(v > 0)] for v in x],
                "price": 3 * x + 1,
            }
        )
        column = "label" if kind == "table" else "price"
        frame.drop({"label", "price"} - {column}).write_csv(folder / "t.csv")
        return folder / "t.csv", {"data.target": column}
    if kind == "text rows":
        words = np.array(
            ["the", "a", "cat", "dog", "ran", "sat", "far", "home", "in", "on", "mat", "log"]
        )
        rows = [(" ".join(RNG.choice(words, RNG.integers(5, 12))), i % 2) for i in range(80)]
        frame = pl.DataFrame(rows, schema=["review", "label"], orient="row")
        frame.with_columns(pl.col("label").replace_strict({0: "bad", 1: "good"})).write_csv(
            folder / "t.csv"
        )
        return folder / "t.csv", target
    if kind == "text file":
        (folder / "t.txt").write_text("the cat sat on the mat, and the dog ran home.\n" * 90)
        return folder / "t.txt", target
    if kind == "series rows":
        lengths = RNG.integers(3, 9, 60)
        frame = pl.DataFrame(
            {
                "series": np.repeat(np.arange(60), lengths),
                "time": np.concatenate([np.arange(n) for n in lengths]),
                "x": RNG.normal(size=lengths.sum()),
                "on": RNG.integers(0, 2, lengths.sum()),
                "target": np.repeat([("up", "down")[i % 2] for i in range(60)], lengths),
            }
        )
        frame.write_csv(folder / "t.csv")
        return folder / "t.csv", target
    if kind == "series arrays":
        path = folder / "a.npz"
        np.savez(path, x=RNG.normal(size=(60, 30, 2)), y=RNG.normal(size=60))
        return path, target
    if kind == "arrays":
        path = folder / "a.npz"
        np.savez(path, x=RNG.random((60, 9, 9)), y=np.array(["cat", "dog"])[np.arange(60) % 2])
        return path, target
    if kind == "idx":
        for part, count in (("train", 40), ("t10k", 20)):
            pixels = RNG.integers(0, 256, count * 49).astype(np.uint8).tobytes()
            head = b"\0\0\x08\x03" + struct.pack(">3I", count, 7, 7)
            labels = b"\0\0\x08\x01" + struct.pack(">I", count) + bytes(i % 4 for i in range(count))
            (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels)
            (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        return folder, target
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        records = RNG.integers(0, 256, (10, 3073)).astype(np.uint8)
        records[:, 0] = np.arange(10) % 2
        (folder / name).write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("cat\ndog\n")
    return folder, target


@pytest.fixture(scope="module")
def recipe_of(tmp_path_factory):
    """Return a function from a row to its recipe, the files written once."""
    recipes = {}

    def make(name):
        if name not in recipes:
            values = {"data.source": name}
            if name in FILES:
                path, more = write(name, tmp_path_factory.mktemp(name.replace(" ", "-")))
                values = {"data.source": str(path), **more}
            recipes[name] = Recipe().with_values(values)
        return recipes[name]

    return make


@pytest.fixture(scope="module")
def ready(recipe_of, tmp_path_factory):
    """Return a function from a row to what ``prepare`` makes of it, made once."""
    made, cache = {}, tmp_path_factory.mktemp("cache")

    def make(name):
        if name not in made:
            made[name] = prepare(recipe_of(name), cache=cache)
        return made[name]

    make.cache = cache
    return make


@pytest.mark.parametrize("name", ROWS)
def test_parts_are_disjoint_and_cover_what_is_kept(ready, name):
    prepared, _ = ready(name)
    everything = np.concatenate([prepared.split.part(part) for part in PARTS])
    assert len(np.unique(everything)) == len(everything)
    assert all(len(prepared.split.part(part)) for part in PARTS)
    left_out = {some.name for some in prepared.audit.rejected}
    unused = set(range(len(prepared))) - set(everything.tolist())
    assert {prepared.names[index] for index in unused} <= left_out
    assert prepared.audit.samples == len(everything)
    assert len(prepared.names) == len(prepared.targets) == len(prepared.inputs)
    assert len(set(prepared.names)) == len(prepared.names)


@pytest.mark.parametrize("name", ROWS)
def test_same_seed_same_split(ready, recipe_of, name):
    prepared, _ = ready(name)
    again, _ = prepare(recipe_of(name), cache=ready.cache)
    other, _ = prepare(recipe_of(name).with_values({"seed": 1}), cache=ready.cache)
    for part in PARTS:
        np.testing.assert_array_equal(prepared.split.part(part), again.split.part(part))
    same = np.array_equal(prepared.split.validation, other.split.validation)
    assert same == (name in BY_POSITION)
    assert prepared.key == again.key
    np.testing.assert_array_equal(prepared.targets, other.targets)


@pytest.mark.parametrize("name", ROWS)
def test_spec_is_true_of_the_samples(ready, name):
    prepared, recipe = ready(name)
    spec = prepared.spec
    some = prepared.split.train[:64]
    inputs = prepared.preprocessing.normalise(prepared.inputs[some])
    dtype = np.int64 if spec.kind == "text" else np.float32
    assert (inputs.shape[1:], inputs.dtype) == (spec.shape, dtype)
    if spec.kind == "sequence":  # filled up with NaN beyond the end
        within = np.arange(spec.shape[0]) < lengths_of(inputs)[:, None]
        assert np.isfinite(inputs[within]).all()
        assert np.isnan(inputs[~within]).all()
    else:
        assert np.isfinite(inputs).all()
    assert recipe.data.task == spec.task
    if spec.task == "classification":
        assert prepared.targets.dtype == np.int64
        np.testing.assert_array_equal(np.unique(prepared.targets), np.arange(len(spec.classes)))
        counts = prepared.audit.class_counts
        for part in PARTS:
            expected = np.bincount(
                prepared.targets[prepared.split.part(part)], minlength=len(spec.classes)
            )
            assert list(counts[part].values()) == expected.tolist()
    elif spec.task == "next-token":
        followers = prepared.inputs.reshape(-1)[1:]
        np.testing.assert_array_equal(prepared.targets.reshape(-1)[:-1], followers)
    else:
        assert prepared.targets.dtype == np.float32
        assert spec.classes == ()
    if spec.kind == "image":
        assert prepared.inputs.dtype == np.uint8
        assert (recipe.data.channels, recipe.data.size, recipe.data.size) == spec.shape
        for key in ("data.size", "data.shape", "data.channels"):
            assert recipe.reasons[key]
    elif spec.kind == "text":
        assert prepared.inputs.dtype == np.int32
        assert 0 <= prepared.inputs.min() <= prepared.inputs.max() < spec.vocabulary
        assert spec.outputs == (len(spec.classes) or spec.vocabulary)
    else:
        assert prepared.inputs.dtype == np.float32
        assert len(spec.features) in (0, spec.shape[-1])
    one, target = prepared[int(some[0])]
    np.testing.assert_array_equal(one, inputs[0])
    np.testing.assert_array_equal(target, prepared.targets[some[0]])


@pytest.mark.parametrize("name", ROWS)
def test_statistics_come_from_the_training_part_alone(ready, name):
    prepared, _ = ready(name)
    made = prepared.preprocessing
    if made.kind == "text":
        shown = set(np.unique(prepared.inputs[prepared.split.train])) - {0, 1}
        assert shown == set(range(2, prepared.spec.vocabulary))
        return
    train = prepared.inputs[prepared.split.train].astype(np.float64)
    if made.kind == "sequence":
        train = train[np.arange(train.shape[1]) < lengths_of(train)[:, None]]
    if made.kind == "image":
        np.testing.assert_allclose(made.mean, train.mean(axis=(0, 1, 2)) / 255, rtol=1e-9)
        np.testing.assert_allclose(made.std, train.std(axis=(0, 1, 2)) / 255, rtol=1e-9)
    else:
        binary = np.isin(train, (0, 1)).all(axis=0)
        np.testing.assert_allclose(made.mean, np.where(binary, 0, train.mean(axis=0)), rtol=1e-9)
        np.testing.assert_allclose(made.std, np.where(binary, 1, train.std(axis=0)), rtol=1e-9)
    if prepared.spec.task == "regression":
        values = prepared.targets[prepared.split.train].astype(np.float64)
        assert made.target_mean == pytest.approx(values.mean())
        assert made.target_std == pytest.approx(values.std())
        standardised = made.standardise(prepared.targets[prepared.split.train])
        assert abs(standardised.mean()) < 1e-5
    else:
        assert (made.target_mean, made.target_std) == (0.0, 1.0)


@pytest.mark.parametrize("name", ROWS)
def test_what_is_kept_with_the_run_is_plain(ready, name):
    prepared, recipe = ready(name)
    made = prepared.preprocessing
    assert Preprocessing.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    split = Split.from_dict(json.loads(json.dumps(prepared.split.to_dict())))
    audit = json.loads(json.dumps(prepared.audit.to_dict(), allow_nan=False))
    assert type(prepared.audit).from_dict(audit) == prepared.audit
    resumed, again = prepare(recipe, cache=ready.cache, split=split)
    assert again == recipe
    assert resumed.key == prepared.key
    assert resumed.preprocessing == made
    np.testing.assert_array_equal(resumed.inputs, prepared.inputs)
    np.testing.assert_array_equal(resumed.split.train, prepared.split.train)
