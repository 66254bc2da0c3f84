"""Splits: stratified, seeded, and equal samples never on both sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from gradatim.data.dataset import PARTS
from gradatim.data.split import draw, limited, limited_per_class, strata_of
from gradatim.errors import DataError, ValueRefusedError


def split_of(targets, classes=None, groups=None, given=None, seed=0, validation=0.1, test=0.15):
    targets = np.asarray(targets)
    if classes is None:
        classes = [f"c{i}" for i in range(int(targets.max()) + 1)]
    return draw(
        targets,
        classes=classes,
        groups=np.arange(len(targets)) if groups is None else np.asarray(groups),
        given=given,
        seed=seed,
        validation_share=validation,
        test_share=test,
    )


def parts(split):
    return [split.part(name) for name in PARTS]


def test_shares_hold_in_every_class():
    targets = np.repeat([0, 1, 2], [1000, 200, 60])
    split = split_of(np.random.default_rng(0).permutation(targets)).split
    shuffled = np.random.default_rng(0).permutation(targets)
    for indices, share in zip(parts(split), (0.75, 0.1, 0.15), strict=True):
        np.testing.assert_allclose(
            np.bincount(shuffled[indices]), np.array([1000, 200, 60]) * share, atol=1
        )


def test_as_stratified_as_scikit_learn():
    targets = np.random.default_rng(1).integers(0, 7, 700)
    ours = np.bincount(targets[split_of(targets, test=0.2).split.test])
    splitter = StratifiedShuffleSplit(1, test_size=0.2, random_state=0)
    _, theirs = next(splitter.split(np.zeros(700), targets))
    assert np.abs(ours - np.bincount(targets[theirs])).max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=30, max_size=200),
    st.integers(0, 10),
    st.integers(1, 40),
    st.lists(st.sampled_from([None, "train", "validation", "test"]), min_size=200, max_size=200),
    st.booleans(),
)
def test_disjoint_covering_repeatable_and_equal_samples_together(
    targets, seed, distinct, given_parts, use_parts
):
    groups = np.random.default_rng(seed).integers(0, 20 * distinct, len(targets))
    named = given_parts[: len(targets)] if use_parts else None
    arguments = {"groups": groups, "given": named, "seed": seed, "classes": list("abcde")}
    try:
        drawn = split_of(targets, **arguments)
    except DataError as error:  # legitimate when nothing is left for a part
        assert "no sample is left" in str(error) or "no training samples" in str(error)
        return
    split, left_out = drawn.split, [index for index, _ in drawn.left_out]
    everything = np.concatenate([*parts(split), np.array(left_out, dtype=np.int64)])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(targets)))
    for one in PARTS:
        assert (np.diff(split.part(one)) > 0).all()
        for other in PARTS:
            if one != other:
                assert not set(groups[split.part(one)]) & set(groups[split.part(other)])
    again = split_of(targets, **arguments).split
    for name in PARTS:
        np.testing.assert_array_equal(split.part(name), again.part(name))
    if use_parts:
        for index, part in enumerate(named):
            if part is not None and index not in left_out and part in {"validation", "test"}:
                assert index in split.part(part)


def test_seeds_differ_and_nothing_else_matters():
    targets = np.arange(300) % 3
    first = split_of(targets, seed=1).split
    np.random.seed(99)  # the global state must not matter
    assert np.array_equal(first.test, split_of(targets, seed=1).split.test)
    assert not np.array_equal(first.test, split_of(targets, seed=2).split.test)


def test_given_parts_are_kept_and_only_validation_is_drawn():
    given_parts = ["train"] * 80 + ["test"] * 20
    drawn = split_of(np.arange(100) % 2, given=given_parts)
    np.testing.assert_array_equal(drawn.split.test, np.arange(80, 100))
    assert len(drawn.split.validation) == 8
    assert drawn.split.validation.max() < 80
    assert drawn.split.origin.startswith("train, test given by the source; validation (10%) drawn")


def test_all_given_parts_are_kept_as_they_are():
    given_parts = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    drawn = split_of(np.arange(100) % 2, given=given_parts)
    assert [len(part) for part in parts(drawn.split)] == [60, 20, 20]
    assert drawn.split.origin == "train, validation, test given by the source"


def test_missing_test_part_is_drawn_from_train():
    given_parts = ["train"] * 80 + ["validation"] * 20
    split = split_of(np.arange(100) % 2, given=given_parts).split
    assert len(split.test) == 12
    assert split.test.max() < 80
    np.testing.assert_array_equal(split.validation, np.arange(80, 100))


def test_training_copies_of_test_samples_are_left_out_and_said():
    groups = np.arange(100)
    groups[5] = groups[90]
    groups[70] = groups[95]
    groups[3] = groups[4]
    given_parts = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    drawn = split_of(np.arange(100) % 2, groups=groups, given=given_parts)
    assert [index for index, _ in drawn.left_out] == [5, 70]
    assert "equal sample is in the part test; this is in train" in drawn.left_out[0][1]
    assert "this is in validation" in drawn.left_out[1][1]
    assert {3, 4} <= set(drawn.split.train), "copies inside one part are kept"
    assert 90 in drawn.split.test


def test_equal_samples_are_drawn_together():
    groups = np.repeat(np.arange(50), 4)
    drawn = split_of(np.repeat(np.arange(50) % 2, 4), groups=groups)
    seen = [set(groups[part]) for part in parts(drawn.split)]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert len(drawn.split.test) in range(24, 41)


def test_one_large_group_stays_in_training():
    groups = np.concatenate([np.zeros(60, int), np.arange(1, 41)])
    drawn = split_of(np.zeros(100, int), classes=["only"], groups=groups)
    assert set(range(60)) <= set(drawn.split.train)
    assert len(drawn.split.test) == 15


def test_small_classes_stay_in_training_and_are_said():
    targets = np.array([0] * 40 + [1] * 40 + [2] * 2 + [3])
    drawn = split_of(targets, classes=["a", "b", "two", "one"])
    assert {80, 81, 82} <= set(drawn.split.train)
    assert "too few samples to have one in the part test: two, one" in drawn.notes
    assert "too few samples to have one in the part validation: two, one" in drawn.notes


def test_a_class_of_three_is_in_every_part():
    targets = np.array([0] * 40 + [1] * 3)
    split = split_of(targets).split
    assert [int((targets[part] == 1).sum()) for part in parts(split)] == [1, 1, 1]


def test_class_without_training_samples_is_said():
    targets = np.array([0, 1] * 20 + [2])
    drawn = split_of(targets, given=["train"] * 40 + ["test"], classes=["a", "b", "c"])
    assert "no training sample of: c" in drawn.notes


def test_regression_is_stratified_by_quantiles():
    values = np.random.default_rng(0).lognormal(size=400)
    split = split_of(values, classes=[]).split
    assert split.origin.endswith("stratified by quantiles of the target")
    bins = np.searchsorted(np.quantile(values, np.linspace(0, 1, 11)[1:-1]), values, side="right")
    np.testing.assert_array_equal(np.bincount(bins[split.test]), [6] * 10)
    assert len(np.unique(strata_of(values[:15], []))) == 1, "few samples make few bins"


def test_too_few_samples():
    with pytest.raises(DataError, match="9 usable samples are too few"):
        split_of(np.arange(9) % 2)


def test_nothing_for_a_part():
    with pytest.raises(DataError, match="no sample is left for the part"):
        split_of(np.arange(12) % 6)


def test_no_training_samples():
    with pytest.raises(DataError, match="no training samples"):
        split_of(np.arange(20) % 2, given=["test"] * 20)


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.1), (1.0, 0.1), (0.1, -0.1), (0.5, 0.5)])
def test_shares_out_of_range(validation, test):
    with pytest.raises(ValueRefusedError, match="share"):
        split_of(np.arange(40) % 2, validation=validation, test=test)


def test_limit_draws_in_proportion():
    targets = np.repeat([0, 1, 2], [700, 200, 100])
    split = split_of(targets).split
    small = limited(split, targets, ["a", "b", "c"], 75, seed=0)
    assert len(small.train) == 75
    assert set(small.train) <= set(split.train)
    np.testing.assert_allclose(np.bincount(targets[small.train]), [52.5, 15, 7.5], atol=1.5)
    np.testing.assert_array_equal(small.test, split.test)
    assert "75 of 750 training samples drawn with seed 0" in small.origin
    np.testing.assert_array_equal(
        small.train, limited(split, targets, ["a", "b", "c"], 75, seed=0).train
    )
    assert limited(split, targets, ["a", "b", "c"], 10_000, seed=0) is split


def test_limit_keeps_every_class():
    targets = np.repeat([0, 1, 2], [700, 20, 10])
    split = split_of(targets).split
    small = limited(split, targets, ["a", "b", "c"], 3, seed=0)
    assert sorted(targets[small.train]) == [0, 1, 2]
    with pytest.raises(ValueRefusedError, match=r"data\.limit"):
        limited(split, targets, ["a", "b", "c"], 2, seed=0)


def test_samples_per_class_are_drawn_and_nested():
    targets = np.repeat([0, 1, 2], [700, 20, 10])
    split, names = split_of(targets).split, ["a", "b", "c"]
    parts = {each: limited_per_class(split, targets, names, each, seed=3) for each in (5, 12, 40)}
    assert np.bincount(targets[parts[5].train]).tolist() == [5, 5, 5]
    most = np.bincount(targets[split.train]).tolist()
    assert np.bincount(targets[parts[40].train]).tolist() == [40, most[1], most[2]]
    assert set(parts[5].train) < set(parts[12].train) < set(parts[40].train) <= set(split.train)
    np.testing.assert_array_equal(parts[5].test, split.test)
    np.testing.assert_array_equal(parts[5].validation, split.validation)
    assert "at most 5 training samples a class" in parts[5].origin
    other = limited_per_class(split, targets, names, 5, seed=4)
    assert set(other.train) != set(parts[5].train)


def test_samples_per_class_need_classes():
    split = split_of(np.arange(40) % 2).split
    with pytest.raises(ValueRefusedError, match=r"data\.samples_per_class needs classes"):
        limited_per_class(split, np.arange(40.0), [], 5, seed=0)
    with pytest.raises(ValueRefusedError, match="1 or more"):
        limited_per_class(split, np.arange(40) % 2, ["a", "b"], 0, seed=0)
