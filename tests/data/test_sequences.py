"""Series: rows of a table, arrays, filling up, missing values, the adding problem."""

import json

import numpy as np
import polars as pl
import pytest

from gradatim.core.recipe import Recipe
from gradatim.data import prepare, prepare_for
from gradatim.data.batches import Batches
from gradatim.data.layout import Layout
from gradatim.data.padded import by_length, fill_up, lengths_of
from gradatim.data.sources.adding import generate
from gradatim.errors import ColumnError, DataError, ValueRefusedError

RNG = np.random.default_rng(0)


def recipe(path, **values):
    settings = {f"data.{key}": value for key, value in values.items()}
    return Recipe().with_values({"data.source": str(path), **settings})


def long_table(folder, count=40, shuffle=True, **more):
    """Write series of 3 to 8 steps, the rows mixed; return path and the true arrays."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(3, 9, count)
    series = [rng.normal(size=(n, 2)).round(3) for n in lengths]
    rows = {
        "Series_ID": [f"p{i}" for i, n in enumerate(lengths) for _ in range(n)],
        "time": [f"2024-01-{step + 1:02d}" for n in lengths for step in range(n)],
        "pulse": np.concatenate(series)[:, 0],
        "heat": np.concatenate(series)[:, 1],
        "place": ["x"] * int(lengths.sum()),
        "label": [("ill", "well")[i % 2] for i, n in enumerate(lengths) for _ in range(n)],
        **more,
    }
    frame = pl.DataFrame(rows)
    if shuffle:
        frame = frame.sample(fraction=1.0, shuffle=True, seed=2)
    frame.write_csv(folder / "long.csv")
    return folder / "long.csv", series


def test_rows_of_a_table_become_series_in_the_order_of_time(tmp_path):
    path, series = long_table(tmp_path)
    prepared, resolved = prepare(recipe(path))
    assert (prepared.spec.kind, prepared.spec.shape) == ("sequence", (8, 2))
    assert prepared.spec.features == ("pulse", "heat")
    assert (resolved.data.series, resolved.data.time) == ("Series_ID", "time")
    for index, name in enumerate(prepared.names):
        number = int(name.removeprefix("series p"))
        true = series[number].astype(np.float32)
        np.testing.assert_array_equal(prepared.inputs[index, : len(true)], true)
        assert np.isnan(prepared.inputs[index, len(true) :]).all()
        assert prepared.spec.classes[prepared.targets[index]] == ("ill", "well")[number % 2]
    assert any("Not used: 'place'" in note for note in prepared.audit.notes)


def test_series_with_several_targets_are_rejected_when_named(tmp_path):
    path, _ = long_table(tmp_path)
    frame = pl.read_csv(path)
    frame.with_columns(
        pl.when(pl.col("Series_ID") == "p3")
        .then(pl.when(pl.col("time") == "2024-01-01").then(pl.lit("ill")).otherwise(pl.lit("well")))
        .otherwise(pl.col("label"))
        .alias("label")
    ).write_csv(path)
    prepared, _ = prepare(recipe(path, series="Series_ID", time="time"))
    rejected = [(row.name, row.reason) for row in prepared.audit.rejected]
    assert rejected == [("series p3", "its rows have different targets")]
    with pytest.raises(ColumnError, match="no such column"):
        prepare(recipe(path, series="patient"))


def test_a_number_for_each_series(tmp_path):
    lengths = [4 + i % 3 for i in range(30)]
    goal = np.repeat(RNG.normal(size=30).round(4), lengths)
    path = tmp_path / "t.csv"
    pl.DataFrame(
        {
            "sequence": np.repeat(np.arange(30), lengths),
            "step": np.concatenate([np.arange(n) for n in lengths]),
            "x": RNG.normal(size=sum(lengths)),
            "y": goal,
        }
    ).write_csv(path)
    prepared, _ = prepare(recipe(path))
    assert (prepared.spec.kind, prepared.spec.task) == ("sequence", "regression")
    np.testing.assert_allclose(prepared.targets, goal[np.cumsum(lengths) - 1], rtol=1e-6)


def test_missing_values_are_the_mean_and_the_end_is_not(tmp_path):
    x = RNG.normal(2.0, 3.0, (50, 12, 2))
    x[0, 3, 1] = np.nan
    x[1, 8:] = np.nan
    x[2, 4] = np.nan
    np.savez(tmp_path / "a.npz", x=x, y=RNG.normal(size=50))
    prepared, _ = prepare(recipe(tmp_path / "a.npz"))
    normal = prepared.preprocessing.normalise(prepared.inputs)
    assert normal[0, 3, 1] == 0
    assert (normal[2, 4] == 0).all()
    assert np.isnan(normal[1, 8:]).all()
    assert np.isfinite(normal[1, :8]).all()
    train = prepared.split.train
    values = x[train].reshape(-1, 2)
    np.testing.assert_allclose(prepared.preprocessing.mean, np.nanmean(values, axis=0), rtol=1e-5)
    np.testing.assert_allclose(prepared.preprocessing.std, np.nanstd(values, axis=0), rtol=1e-5)


def test_series_that_cannot_be_used_are_listed(tmp_path):
    x = RNG.normal(size=(40, 20, 1))
    x[4] = np.nan
    x[7, 3] = np.inf
    np.savez(tmp_path / "a.npz", series=x, labels=np.arange(40) % 2)
    prepared, _ = prepare(recipe(tmp_path / "a.npz"))
    reasons = {row.name: row.reason for row in prepared.audit.rejected}
    assert reasons == {"row 5": "it holds no values", "row 8": "it holds infinite values"}


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", RNG.normal(size=(40, 30, 2)), "sequence"),
        ("x", RNG.normal(size=(40, 16, 16)), "sequence"),
        ("x", RNG.random((40, 16, 16)), "image"),
        ("series", RNG.random((40, 16, 16)), "sequence"),
        ("images", RNG.normal(size=(40, 30, 9)), "image"),
        ("x", RNG.integers(0, 255, (40, 30, 6)).astype(np.uint8), "image"),
        ("x", RNG.random((40, 64, 12)), "sequence"),
    ],
)
def test_pictures_or_series(tmp_path, name, values, kind):
    np.savez(tmp_path / "a.npz", **{name: values}, y=np.arange(40) % 2)
    prepared, _ = prepare(recipe(tmp_path / "a.npz"))
    assert prepared.spec.kind == kind
    assert any("three axes" in note for note in prepared.audit.notes)


def test_longer_series_are_cut_as_asked(tmp_path):
    np.savez(tmp_path / "a.npz", x=RNG.normal(size=(40, 30, 2)), y=np.arange(40) % 2)
    prepared, resolved = prepare(recipe(tmp_path / "a.npz", length=10))
    assert prepared.spec.shape == (10, 2)
    assert resolved.data.length == 10
    assert any("40 series are cut at 10" in text for text in prepared.audit.warnings)
    again = prepare_for(prepared.spec, prepared.preprocessing, recipe(tmp_path / "a.npz"))
    np.testing.assert_array_equal(again.inputs, prepared.inputs)
    np.savez(tmp_path / "b.npz", x=RNG.normal(size=(40, 30, 3)), y=np.arange(40) % 2)
    with pytest.raises(DataError, match="takes 2 features, this source has 3"):
        prepare_for(prepared.spec, prepared.preprocessing, recipe(tmp_path / "b.npz"))


def test_the_order_by_length_is_a_permutation_of_whole_batches():
    lengths = RNG.integers(1, 50, 1003)
    order = RNG.permutation(1003)
    mixed = by_length(order, lengths, 16, seed=0, epoch=0)
    assert sorted(mixed.tolist()) == list(range(1003))
    np.testing.assert_array_equal(mixed[-11:], order[-11:])
    spread = [np.ptp(lengths[mixed[i : i + 16]]) for i in range(0, 992, 16)]
    before = [np.ptp(lengths[order[i : i + 16]]) for i in range(0, 992, 16)]
    assert np.mean(spread) < 0.1 * np.mean(before)
    np.testing.assert_array_equal(mixed, by_length(order, lengths, 16, seed=0, epoch=0))
    assert not np.array_equal(mixed, by_length(order, lengths, 16, seed=1, epoch=0))
    np.testing.assert_array_equal(by_length(order[:5], lengths, 16, 0, 0), order[:5])


def test_filling_up_and_finding_the_length_again():
    series = [RNG.normal(size=(n, 2)) for n in (3, 1, 6)]
    filled = fill_up(series, 5)
    assert filled.shape == (3, 5, 2)
    assert lengths_of(filled).tolist() == [3, 1, 5]
    assert lengths_of(np.array([[3, 0, 2, 0], [0, 0, 0, 0], [1, 1, 1, 1]])).tolist() == [3, 1, 4]


def test_a_layout_is_plain():
    made = Layout("id", "time", ("x",), (",",))
    assert Layout.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    with pytest.raises(ColumnError, match=r"(?s)lacks columns.*time"):
        made.read(pl.DataFrame({"id": [1], "x": ["1,5"]}))
    frame = pl.DataFrame({"id": ["b", "a", "b"], "time": ["10", "1", "9"], "x": ["1,5", "2", "3"]})
    names, rows, series = made.read(frame)
    assert names == ["b", "a"]
    assert [place.tolist() for place in rows] == [[2, 0], [1]]
    assert [values.ravel().tolist() for values in series] == [[3.0, 1.5], [2.0]]


def test_the_adding_problem_is_as_published():
    sequences, targets = generate(500, 60, seed=3)
    firsts = []
    for sequence, target in zip(sequences, targets, strict=True):
        steps, marks = len(sequence), sequence[:, 1]
        assert 60 <= steps <= 66
        assert np.abs(sequence[:, 0]).max() <= 1
        at = np.flatnonzero(marks == 1)
        assert len(at) == 2
        assert at.max() < 60 // 2 - 1
        assert at.min() < 10
        assert marks[-1] == -1
        assert marks[0] in (-1, 1)
        assert (np.delete(marks, [0, steps - 1, *at]) == 0).all()
        assert target == pytest.approx(0.5 + sequence[at, 0].sum() / 4, abs=1e-6)
        firsts.append(at.min())
    assert set(firsts) == set(range(10))


def test_adding_is_never_cut_and_keeps_its_length(tmp_path):
    prepared, resolved = prepare(recipe("adding", length=30))
    assert resolved.data.length == 30
    assert prepared.spec.shape == (33, 2)
    again, _ = prepare(resolved)
    np.testing.assert_array_equal(again.inputs, prepared.inputs)
    batch = next(iter(Batches(prepared, "train", batch_size=8, seed=0, shuffle=True)))
    assert batch.inputs.shape[1] <= 33
    with pytest.raises(ValueRefusedError, match="too short for the adding problem"):
        prepare(recipe("adding", length=10))
