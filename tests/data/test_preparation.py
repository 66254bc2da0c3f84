"""From a source to a prepared data set: what is resolved, said, refused and kept."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from gradatim.core.page import Picture
from gradatim.core.recipe import Recipe
from gradatim.data import audit_card, audit_source, prepare, prepare_for
from gradatim.data.dataset import Split
from gradatim.errors import (
    ColumnError,
    DataError,
    EmptySourceError,
    TooFewClassesError,
    UsageError,
)

RNG = np.random.default_rng(0)
FASHION = Path("/usr/share/datasets/fashion-mnist")


class Heard:
    """A talk that remembers."""

    def __init__(self):
        self.warnings = []

    def say(self, text):
        pass

    def warn(self, text):
        self.warnings.append(text)

    def track(self, what, total, unit=""):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def update(self, done, **facts):
        pass


def recipe(source, **values):
    return Recipe().with_values(
        {"data.source": str(source)} | {f"data.{key}": value for key, value in values.items()}
    )


def table(path, rows=100, **more):
    x = RNG.normal(size=rows)
    columns = {"x": x, "label": np.where(x > 0, "yes", "no")} | more
    pl.DataFrame(columns).write_csv(path)
    return path


def pictures(root, names, count=12, seed=0):
    rng = np.random.default_rng(seed)
    for name in names:
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (10, 10, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def test_digits():
    prepared, resolved = prepare(recipe("digits"))
    assert prepared.spec.shape == (1, 8, 8)
    assert prepared.spec.classes == tuple("0123456789")
    assert prepared.preprocessing.pixel_range == (0.0, 16.0)
    assert (resolved.data.size, resolved.data.channels) == (8, 1)
    assert resolved.reasons["data.size"] == "all pictures are 8 x 8: kept as they are"
    assert len(prepared.audit.label_errors) <= 5
    assert prepared.names[0] == "row 1"


def test_digits_in_another_size():
    prepared, resolved = prepare(recipe("digits", size=16, channels=3))
    assert prepared.spec.shape == (3, 16, 16)
    assert prepared.inputs.shape == (1797, 16, 16, 3)
    assert "data.size" not in resolved.reasons


def test_predicting_a_digit_reads_it_as_training_did():
    from sklearn.datasets import load_digits

    prepared, _ = prepare(recipe("digits"))
    stored = prepared.preprocessing.read_array(load_digits().images[:50])
    np.testing.assert_array_equal(stored, prepared.inputs[:50])


def test_limit():
    prepared, _ = prepare(recipe("digits", limit=100))
    whole, _ = prepare(recipe("digits"))
    assert len(prepared.split.train) == 100
    np.testing.assert_array_equal(prepared.split.test, whole.split.test)
    assert prepared.preprocessing.mean != whole.preprocessing.mean
    assert prepared.audit.samples == 100 + len(whole.split.validation) + len(whole.split.test)
    assert sum(prepared.audit.class_counts["train"].values()) == 100


def test_table_is_encoded_from_its_training_rows(tmp_path):
    city = RNG.choice(["Rome", "Oslo", "Bern"], 100)
    prepared, resolved = prepare(
        recipe(table(tmp_path / "t.csv", city=city, one=np.ones(100), id=np.arange(100)))
    )
    assert set(prepared.spec.features) == {"x", "city = Rome", "city = Oslo", "city = Bern"}
    assert prepared.spec.kind == "vector"
    assert prepared.spec.target == "label"
    assert resolved.data.target == "label"
    assert "because of its name" in resolved.reasons["data.target"]
    assert "it holds text" in resolved.reasons["data.task"]
    notes = " ".join(prepared.audit.notes)
    assert "Column 'id' is left out: a row number" in notes
    assert "Column 'one' is left out: constant" in notes


def test_rows_without_target_are_listed_and_left_out(tmp_path):
    x = RNG.normal(size=100)
    label = [None if i % 10 == 3 else ("a", "b")[i % 2] for i in range(100)]
    pl.DataFrame({"x": x, "label": label}).write_csv(tmp_path / "t.csv")
    heard = Heard()
    prepared, _ = prepare(recipe(tmp_path / "t.csv"), talk=heard)
    assert len(prepared) == 90
    assert prepared.audit.rejected[0].name == "row 4"
    assert prepared.names[3] == "row 5"
    assert "10 of 100 rows have no usable target and are left out." in heard.warnings
    np.testing.assert_allclose(prepared.inputs[3, 0], x[4], rtol=1e-6)


def test_missing_values_are_filled_marked_and_said(tmp_path):
    x = [None if i % 4 == 0 else float(i) for i in range(100)]
    more = {"x": x, "label": ["a", "b"] * 50}
    pl.DataFrame(more).write_csv(tmp_path / "t.csv")
    prepared, _ = prepare(recipe(tmp_path / "t.csv"))
    assert prepared.spec.features == ("x", "x missing")
    train = prepared.split.train
    known = [x[i] for i in train if x[i] is not None]
    filled = prepared.inputs[prepared.inputs[:, 1] == 1, 0]
    np.testing.assert_allclose(filled, np.median(known))
    assert "Columns with missing values: x (25%)." in prepared.audit.warnings


def test_regression_target_is_standardised_by_the_training_part(tmp_path):
    prepared, resolved = prepare(
        recipe(table(tmp_path / "t.csv", price=RNG.normal(50, 9, 100)), target="price")
    )
    made = prepared.preprocessing
    values = prepared.targets[prepared.split.train]
    assert made.target_mean == pytest.approx(values.mean(), rel=1e-5)
    assert made.target_std == pytest.approx(values.std(), rel=1e-5)
    assert "data.target" not in resolved.reasons
    assert prepared.audit.target.mean == pytest.approx(prepared.targets.mean(), rel=1e-5)
    assert prepared.audit.class_counts["train"] == {"samples": 75}


def test_imbalance_is_warned_of(tmp_path):
    label = ["many"] * 95 + ["few"] * 5
    x = RNG.normal(size=100)
    pl.DataFrame({"x": x, "label": label}).write_csv(tmp_path / "t.csv")
    heard = Heard()
    prepare(recipe(tmp_path / "t.csv"), talk=heard)
    assert any("Imbalanced classes" in text for text in heard.warnings)


def test_repeated_rows_stay_together(tmp_path):
    x = np.repeat(RNG.normal(size=50), 2)
    pl.DataFrame({"x": x, "label": np.repeat(["a", "b"] * 25, 2)}).write_csv(tmp_path / "t.csv")
    prepared, _ = prepare(recipe(tmp_path / "t.csv"))
    assert len(prepared.audit.duplicates) == 50
    seen = [set(prepared.inputs[prepared.split.part(p), 0]) for p in ("train", "test")]
    assert not seen[0] & seen[1]


def test_test_copies_are_left_out_of_training(tmp_path):
    frame = pl.DataFrame(
        {
            "x": [float(i) for i in range(80)] + [float(i) for i in range(20)],
            "label": ["a", "b"] * 50,
            "split": ["train"] * 80 + ["test"] * 20,
        }
    )
    frame.write_csv(tmp_path / "t.csv")
    heard = Heard()
    prepared, _ = prepare(recipe(tmp_path / "t.csv"), talk=heard)
    assert len(prepared.split.test) == 20
    assert prepared.audit.samples == 80
    assert prepared.audit.rejected[0].name == "row 1"
    assert "an equal sample is in the part test" in prepared.audit.rejected[0].reason
    assert any("in more than one part" in text for text in heard.warnings)


def test_folder_of_pictures(tmp_path):
    root = pictures(tmp_path / "photos", ["train/cat", "train/dog", "test/cat", "test/dog"])
    prepared, resolved = prepare(recipe(root), cache=tmp_path / "cache")
    assert prepared.spec.classes == ("cat", "dog")
    assert len(prepared.split.test) == 24
    assert resolved.data.target is None
    assert prepared.audit.class_counts["test"] == {"cat": 12, "dog": 12}
    stored, _ = prepared.preprocessing.read_files([root / prepared.names[5]])
    np.testing.assert_array_equal(stored[0], prepared.inputs[5])


def test_folders_named_like_numbers_are_classes(tmp_path):
    root = pictures(tmp_path / "photos", ["0", "1", "10"], count=4)
    prepared, resolved = prepare(recipe(root), cache=tmp_path / "cache")
    assert prepared.spec.task == "classification"
    assert prepared.spec.classes == ("0", "1", "10")
    again, _ = prepare(resolved, cache=tmp_path / "cache", split=prepared.split)
    assert again.key == prepared.key


def test_table_of_pictures_with_numbers(tmp_path):
    root = pictures(tmp_path, ["p"], count=30)
    lines = [f"p/{i}.png,{i * 1.5}" for i in range(29)]
    (root / "t.csv").write_text("file,height\n" + "\n".join(lines) + "\np/29.png,tall\n")
    prepared, resolved = prepare(recipe(root / "t.csv", target="height"), cache=tmp_path / "cache")
    assert prepared.spec.task == "regression"
    np.testing.assert_allclose(np.sort(prepared.targets), np.arange(29) * 1.5)
    assert "'tall' cannot be used" in prepared.audit.unused[-1].reason
    assert resolved.data.task == "regression"


@pytest.mark.parametrize(
    ("columns", "values", "error", "said"),
    [
        ({"label": ["a"] * 40}, {}, TooFewClassesError, "all samples have one class"),
        ({"label": ["a", "b"] * 4}, {}, DataError, "8 usable samples are too few"),
        ({"price": [1.5] * 40}, {"target": "price"}, DataError, "same value"),
        ({"label": [None] * 40}, {}, EmptySourceError, "no row has a usable value"),
        ({"label": ["a", "b"] * 20}, {"size": 8}, UsageError, "is for images"),
        ({"label": ["a", "b"] * 20}, {"target": "lable"}, ColumnError, "did you mean 'label'"),
        ({"label": ["a", "b"] * 20}, {"task": "regression"}, ColumnError, "column of numbers"),
    ],
)
def test_what_cannot_be_learnt_from(tmp_path, columns, values, error, said):
    rows = len(next(iter(columns.values())))
    pl.DataFrame({"x": RNG.normal(size=rows)} | columns).write_csv(tmp_path / "t.csv")
    with pytest.raises(error, match=said):
        prepare(recipe(tmp_path / "t.csv", **values))


def test_no_usable_column(tmp_path):
    pl.DataFrame({"c": ["k"] * 40, "label": ["a", "b"] * 20}).write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match="no column can be learnt from"):
        prepare(recipe(tmp_path / "t.csv"))


def test_one_class_of_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", x=RNG.normal(size=(40, 2)), y=np.array(["a"] * 40))
    with pytest.raises(TooFewClassesError):
        prepare(recipe(tmp_path / "a.npz"))


def test_no_source():
    with pytest.raises(UsageError, match="no source was named"):
        prepare(Recipe())


def test_target_of_a_folder_is_refused(tmp_path):
    root = pictures(tmp_path / "photos", ["cat", "dog"], count=6)
    with pytest.raises(UsageError, match="a target column is for tables"):
        prepare(recipe(root, target="class"), cache=tmp_path / "cache")


def test_name_and_folder_of_that_name_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris").mkdir()
    heard = Heard()
    prepare(recipe("iris"), talk=heard)
    assert heard.warnings[0].endswith("for the folder, write ./iris")


def test_a_kept_split_is_used_as_it_is():
    prepared, resolved = prepare(recipe("iris"))
    split = Split(np.arange(100), np.arange(100, 120), np.arange(120, 150), "kept")
    again, _ = prepare(resolved, split=split)
    assert again.split is split
    assert again.preprocessing.mean[0] == pytest.approx(prepared.inputs[:100, 0].mean(), rel=1e-6)
    assert again.key == prepared.key


def test_a_split_of_other_data_is_refused():
    beyond = Split(np.arange(100), np.arange(100, 120), np.arange(120, 200))
    with pytest.raises(DataError, match="names sample 199, but the source has 150"):
        prepare(recipe("iris"), split=beyond)
    overlapping = Split(np.arange(100), np.arange(90, 120), np.arange(120, 150))
    with pytest.raises(DataError, match="overlap"):
        prepare(recipe("iris"), split=overlapping)


def test_changed_data_change_the_key(tmp_path):
    path = table(tmp_path / "t.csv")
    before, _ = prepare(recipe(path))
    path.write_text(path.read_text().replace("yes", "yea", 1))
    after, _ = prepare(recipe(path))
    assert before.key != after.key


def test_audit_splits_nothing(tmp_path):
    audit = audit_source(recipe(table(tmp_path / "t.csv")))
    assert list(audit.class_counts) == ["all"]
    assert audit.samples == audit.found == 100
    assert audit.features[0].name == "x"
    assert audit.seconds > 0
    assert not any(note.startswith("Split") for note in audit.notes)


def test_card_of_pictures_and_of_a_table(tmp_path):
    root = pictures(tmp_path / "photos", ["cat", "dog"])
    card = audit_card(recipe(root), cache=tmp_path / "cache")
    assert card.facts["samples"] == 24
    assert any(isinstance(block, Picture) for block in _all_blocks(card.page.blocks))
    card = audit_card(recipe(table(tmp_path / "t.csv")))
    assert card.facts["kind"] == "table"
    assert not any(isinstance(block, Picture) for block in _all_blocks(card.page.blocks))


def _all_blocks(blocks):
    for block in blocks:
        yield block
        yield from _all_blocks(getattr(block, "blocks", ()))


def test_measuring_on_another_table(tmp_path):
    trained, resolved = prepare(
        recipe(table(tmp_path / "a.csv", city=RNG.choice(["Rome", "Oslo"], 100)))
    )
    frame = pl.DataFrame(
        {"city": ["Oslo", "Paris", None], "label": ["yes"] * 3, "x": [1.0, None, 3.0]}
    )
    frame.write_csv(tmp_path / "b.csv")
    heard = Heard()
    source = resolved.with_values({"data.source": str(tmp_path / "b.csv")})
    other = prepare_for(trained.spec, trained.preprocessing, source, talk=heard)
    np.testing.assert_array_equal(other.targets, [1, 1, 1])
    np.testing.assert_array_equal(other.split.test, [0, 1, 2])
    assert other.inputs.shape == (3, 3)
    assert other.inputs[0, trained.spec.features.index("city = Oslo")] == 1
    assert any("Paris" in text for text in heard.warnings)


def test_measuring_takes_the_test_part_and_the_models_class_numbers(tmp_path):
    first = pictures(tmp_path / "a", ["bird", "cat", "dog"])
    second = pictures(tmp_path / "b", ["train/cat", "train/dog", "test/dog"], seed=1)
    trained, _ = prepare(recipe(first, size=8), cache=tmp_path / "cache")
    other = prepare_for(
        trained.spec, trained.preprocessing, recipe(second), cache=tmp_path / "cache"
    )
    assert other.inputs.shape == (36, 8, 8, 3)
    assert len(other.split.test) == 12
    assert all(other.names[index].startswith("test/") for index in other.split.test)
    assert set(other.targets) == {1, 2}
    assert set(other.targets[other.split.test]) == {2}


def test_measuring_on_what_does_not_fit(tmp_path):
    trained, _ = prepare(recipe("iris"))
    with pytest.raises(DataError, match="features, this source has 13"):
        prepare_for(trained.spec, trained.preprocessing, recipe("wine"))
    with pytest.raises(DataError, match="takes vectors, this source holds images"):
        prepare_for(trained.spec, trained.preprocessing, recipe("digits"))
    root = pictures(tmp_path / "a", ["cat", "dog"])
    other = pictures(tmp_path / "b", ["cat", "wolf"])
    pets, _ = prepare(recipe(root), cache=tmp_path / "cache")
    with pytest.raises(DataError, match="classes the model does not know: wolf"):
        prepare_for(pets.spec, pets.preprocessing, recipe(other), cache=tmp_path / "cache")


def test_measuring_vectors_by_feature_names(tmp_path):
    trained, _ = prepare(recipe("iris"))
    names = trained.spec.features[::-1]
    frame = pl.DataFrame(
        {name: trained.inputs[:6, trained.spec.features.index(name)] for name in names}
    )
    frame = frame.with_columns(pl.Series("species", ["setosa"] * 6))
    frame.write_csv(tmp_path / "t.csv")
    other = prepare_for(
        trained.spec, trained.preprocessing, recipe(tmp_path / "t.csv", target="species")
    )
    np.testing.assert_allclose(other.inputs, trained.inputs[:6], rtol=1e-6)
    assert set(other.targets) == {0}


@pytest.mark.skipif(not FASHION.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_fashion_mnist():
    prepared, _ = prepare(recipe("fashion-mnist"))
    assert [len(prepared.split.part(part)) for part in ("train", "validation", "test")] == [
        54_000,
        6_000,
        10_000,
    ]
    assert prepared.names[60_000] == "test 1"
    assert prepared.spec.classes[9] == "ankle boot"
    assert prepared.preprocessing.mean[0] == pytest.approx(0.286, abs=1e-3)
    assert any("20,000 of 70,000 samples" in note for note in prepared.audit.notes)
