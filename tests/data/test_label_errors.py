"""Flipped labels are found; a model too weak to judge lists none."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.neighbors import KNeighborsClassifier

from gradatim.data import label_errors
from gradatim.data.label_errors import confident_class, find_label_errors

CLASSES = tuple("0123456789")


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images * 255 / 16).astype(np.uint8)[..., None], data.target


def flipped(targets, share, classes, seed=0):
    rng = np.random.default_rng(seed)
    flip = rng.random(len(targets)) < share
    other = (targets + rng.integers(1, classes, len(targets))) % classes
    return np.where(flip, other, targets), flip


@pytest.mark.parametrize("seed", [0, 1])
def test_flipped_labels_of_digits_are_found(digits, seed):
    images, truth = digits
    labels, flip = flipped(truth, 0.05, 10, seed)
    found = find_label_errors(images, labels, CLASSES).found
    rows = [doubt.index for doubt in found]
    precision = flip[rows].mean()
    recall = flip[rows].sum() / flip.sum()
    assert precision >= 0.9
    assert recall >= 0.7
    hits = [doubt for doubt in found if flip[doubt.index]]
    assert np.mean([doubt.suggested == truth[doubt.index] for doubt in hits]) >= 0.95
    assert all(doubt.probability >= label_errors.SURE for doubt in found)


def test_clean_labels_are_left_alone(digits):
    images, truth = digits
    found = find_label_errors(images, truth, CLASSES)
    assert len(found.found) <= 5
    assert "all 1,797 samples" in found.note
    assert "right on 98%" in found.note


def test_same_seed_same_list(digits):
    images, truth = digits
    labels, _ = flipped(truth, 0.05, 10)
    assert find_label_errors(images, labels, CLASSES) == find_label_errors(images, labels, CLASSES)


def test_vectors():
    data = load_iris()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    labels = data.target.copy()
    labels[[3, 60]] = [2, 0]
    found = find_label_errors(x.astype(np.float32), labels, data.target_names).found
    assert {doubt.index for doubt in found} == {3, 60}


def test_a_weak_model_lists_none():
    rng = np.random.default_rng(0)
    found = find_label_errors(rng.normal(size=(300, 5)), rng.integers(0, 3, 300), ("a", "b", "c"))
    assert found.found == ()
    assert "too weak to judge labels" in found.note


def test_a_majority_is_no_judge():
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.2).astype(int)
    found = find_label_errors(rng.normal(size=(400, 3)), labels, ("many", "few"))
    assert found.found == ()


def test_large_sets_are_judged_by_a_draw(digits, monkeypatch):
    monkeypatch.setattr(label_errors, "MOST_SAMPLES", 600)
    images, truth = digits
    labels, flip = flipped(truth, 0.05, 10)
    found = find_label_errors(images, labels, CLASSES)
    assert "of 1,797 samples" in found.note
    assert 580 <= int(found.note.split(" of ")[0].split()[-1]) <= 600
    assert flip[[doubt.index for doubt in found.found]].mean() >= 0.8


def test_small_classes_are_not_judged():
    labels = np.array([0] * 3 + [1] * 30)
    found = find_label_errors(np.arange(33.0)[:, None], labels, ("a", "b"))
    assert found.found == ()
    assert "fewer than two classes" in found.note


def test_confident_class_by_hand():
    # Thresholds are the mean probability of a class among samples labelled with it:
    # t_0 = (0.9 + 0.5 + 0.1) / 3 = 0.5, t_1 = (0.8 + 0.6) / 2 = 0.7.
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.2, 0.8], [0.4, 0.6]])
    labels = np.array([0, 0, 0, 1, 1])
    np.testing.assert_array_equal(confident_class(probabilities, labels), [0, 0, 1, 1, -1])


def test_shrinking_sums_blocks():
    images = np.arange(2 * 20 * 21, dtype=np.uint8).reshape(2, 20, 21, 1)
    features = label_errors._shrunken(images, np.array([1]))
    blocks = images[1, :20, :20, 0].astype(float).reshape(10, 2, 10, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(features, blocks.reshape(1, -1))


def test_of_many_samples_a_few_tell_that_the_model_is_too_weak(monkeypatch):
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(600, 4)).astype(np.float32), rng.integers(0, 3, 600)
    whole = find_label_errors(noise, labels, ("a", "b", "c"))
    monkeypatch.setattr(label_errors, "PILOT", 100)
    monkeypatch.setattr(label_errors, "_out_of_fold", None)  # not come to
    some = find_label_errors(noise, labels, ("a", "b", "c"))
    assert "all 600 samples" in whole.note
    assert "of 100 of 600 samples, too weak to judge labels" in some.note
    assert some.found == whole.found == ()


def test_a_model_that_is_good_on_a_few_samples_judges_all(digits, monkeypatch):
    images, truth = digits
    labels, _ = flipped(truth, 0.05, 10)
    expected = find_label_errors(images, labels, CLASSES)
    monkeypatch.setattr(label_errors, "PILOT", 200)
    assert find_label_errors(images, labels, CLASSES) == expected


def test_the_few_are_judged_as_scikit_learn_would(digits, monkeypatch):
    """Second witness of the neighbours that are written out."""
    images, truth = digits
    features = images[..., 0].reshape(len(images), -1).astype(np.float32)
    labels, _ = flipped(truth, 0.3, 10)
    monkeypatch.setattr(label_errors, "PILOT", 600)
    order = np.random.default_rng(4).permutation(len(labels))
    pilot, others = order[:600], order[600:]
    model = KNeighborsClassifier(label_errors.NEIGHBOURS).fit(features[others], labels[others])
    expected = (model.predict(features[pilot]) == labels[pilot]).mean()
    found = label_errors._right_on_some(features, labels, 4)
    assert found == pytest.approx(expected, abs=2 / 600)  # equal distances may part them
