import json
import math

import numpy as np
import pytest
from sklearn import metrics

from gradatim.errors import ValueRefusedError
from gradatim.stats import (
    calibration,
    classification_report,
    confusion,
    cross_entropy,
    farthest_off,
    mae,
    most_wrong,
    r2,
    regression_report,
    rmse,
    top_k,
)


def scores(n=400, classes=12, seed=0):
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes - 1, n)  # the last class never occurs
    logits = random.normal(size=(n, classes)) + 2.5 * np.eye(classes)[targets]
    logits[:, -2] = -20  # never predicted
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities, targets


def test_the_report_agrees_with_scikit_learn():
    probabilities, targets = scores()
    names = [f"class {i}" for i in range(12)]
    report = classification_report(probabilities, targets, names)
    predicted, labels = probabilities.argmax(1), range(12)
    assert report.accuracy.value == metrics.accuracy_score(targets, predicted)
    assert math.isclose(report.loss, metrics.log_loss(targets, probabilities, labels=labels))
    expected = metrics.top_k_accuracy_score(targets, probabilities, k=5, labels=labels)
    assert report.top_k == {5: expected}
    assert np.array_equal(
        report.confusion, metrics.confusion_matrix(targets, predicted, labels=labels)
    )
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        targets, predicted, labels=labels, zero_division=np.nan
    )
    for row, name, p, r, s in zip(report.per_class, names, precision, recall, support, strict=True):
        assert (row.name, row.support) == (name, s)
        assert row.precision == (None if np.isnan(p) else pytest.approx(p))
        assert row.recall == (None if np.isnan(r) else pytest.approx(r))
    assert report.per_class[-2].precision is None and report.per_class[-1].recall is None


def test_few_classes_have_no_top_5():
    probabilities, targets = scores(classes=10)
    assert classification_report(probabilities, targets, list("abcdefghij")).top_k == {}


@pytest.mark.parametrize("k", [1, 2, 5, 12, 20])
def test_top_k_counts_the_first_k_of_a_stable_order(k):
    probabilities, targets = scores()
    probabilities = probabilities.round(1)  # many are equal
    hits = 0
    for row, target in zip(probabilities, targets, strict=True):
        hits += target in sorted(range(12), key=lambda c: (-row[c], c))[:k]
    assert top_k(probabilities, targets, k) == hits / len(targets)
    if k == 1:
        assert top_k(probabilities, targets, 1) == (probabilities.argmax(1) == targets).mean()


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_is_that_of_the_paper(bins):
    probabilities, targets = scores()
    error = 0.0
    for m in range(bins):
        inside = [
            (max(row), int(row.argmax() == target))
            for row, target in zip(probabilities.astype(float), targets, strict=True)
            if m / bins < max(row) <= (m + 1) / bins
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            error += len(inside) / len(targets) * abs(right - confidence)
    found = calibration(probabilities, targets, bins)
    assert math.isclose(found.error, error, rel_tol=1e-9)
    assert sum(part.count for part in found.bins) == len(targets)
    assert all(part.low <= part.confidence <= part.high for part in found.bins if part.count)


def test_the_first_bins_of_many_classes_are_empty_and_say_so():
    part = calibration(*scores()).bins[0]
    assert (part.count, part.confidence, part.accuracy) == (0, None, None)


def test_a_well_calibrated_classifier_has_a_small_error():
    random = np.random.default_rng(1)
    p = random.uniform(0.5, 1, 20_000)
    targets = (random.random(20_000) > p).astype(int)
    honest = calibration(np.stack([p, 1 - p], 1), targets)
    boastful = calibration(np.stack([0.99 + 0 * p, 0.01 + 0 * p], 1), targets)
    assert honest.error < 0.02
    assert abs(boastful.error - (0.99 - 0.75)) < 0.01


def test_a_probability_of_0_costs_much_but_not_everything():
    loss = cross_entropy([[1.0, 0.0], [0.5, 0.5]], [1, 0])
    assert math.isclose(loss, (-math.log(np.finfo(np.float32).tiny) + math.log(2)) / 2)


def test_the_most_wrong_are_the_wrong_samples_with_the_largest_loss():
    probabilities, targets = scores()
    found = most_wrong(probabilities, targets, 15)
    losses = [-math.log(row[t]) for row, t in zip(probabilities, targets, strict=True)]
    wrong = [i for i in range(400) if probabilities[i].argmax() != targets[i]]
    assert found.tolist() == sorted(wrong, key=lambda i: -losses[i])[:15]
    assert len(most_wrong(probabilities, targets, 1000)) == len(wrong)
    assert len(most_wrong(np.eye(3), [0, 1, 2], 5)) == 0


def test_the_report_is_a_test_event_of_plain_json():
    report = classification_report(*scores(), [f"class {i}" for i in range(12)])
    event = json.loads(json.dumps(report.to_event(), allow_nan=False))
    assert (event["metric"], event["samples"]) == ("accuracy", 400)
    assert event["low"] < event["value"] < event["high"]
    assert np.array(event["confusion"]).sum() == 400
    assert set(event["per_class"][0]) == {"name", "precision", "recall", "support"}
    assert set(event["calibration"]["bins"][0]) == {
        *("low", "high", "confidence", "accuracy", "count")
    }


@pytest.mark.parametrize(
    ("probabilities", "targets", "text"),
    [
        ([[0.5, 0.5]], [0, 1], "shapes (1, 2) and (2,)"),
        (np.empty((0, 2)), np.empty(0, int), "do not fit"),
        ([[np.nan, 0.5]], [0], "not finite"),
        ([[0.5, 0.5]], [2], "allowed: whole numbers from 0 to 1"),
        ([[0.5, 0.5]], [0.0], "float64"),
        ([[0.2, 0.3, 0.5]], [1], "3 probabilities, 2 classes"),
    ],
)
def test_what_does_not_fit_is_refused(probabilities, targets, text):
    with pytest.raises(ValueRefusedError) as raised:
        classification_report(probabilities, targets, ["a", "b"])
    assert text in str(raised.value)


def test_no_guess_and_no_bin_are_refused():
    with pytest.raises(ValueRefusedError, match="number of guesses"):
        top_k([[1.0]], [0], 0)
    with pytest.raises(ValueRefusedError, match="number of bins"):
        calibration([[1.0]], [0], 0)


def test_confusion_has_true_classes_as_rows():
    assert confusion([1, 1, 0], [0, 0, 2], 3).tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_regression_agrees_with_scikit_learn():
    random = np.random.default_rng(2)
    targets = random.normal(5, 3, 150)
    predicted = targets + random.normal(0, 1.5, 150)
    assert math.isclose(r2(predicted, targets), metrics.r2_score(targets, predicted))
    assert math.isclose(mae(predicted, targets), metrics.mean_absolute_error(targets, predicted))
    expected = metrics.root_mean_squared_error(targets, predicted)
    assert math.isclose(rmse(predicted, targets), expected)
    report = regression_report(predicted, targets, unit="km")
    for interval in (report.r2, report.mae, report.rmse):
        assert interval.low < interval.value < interval.high
    assert report.mae.unit == "km" and report.r2.unit == ""
    # mean absolute error: the bootstrap agrees with the normal interval of a mean
    errors = np.abs(predicted - targets)
    half = 1.96 * errors.std() / math.sqrt(150)
    assert abs((report.mae.high - report.mae.low) / 2 - half) < 0.15 * half
    event = json.loads(json.dumps(report.to_event(), allow_nan=False))
    assert event["value"] == report.r2.value and event["regression"]["rmse"] == report.rmse.value


def test_predicting_the_mean_explains_nothing():
    assert r2([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]) == 0
    assert math.isnan(r2([1.0, 2.0], [3.0, 3.0]))


def test_the_farthest_off_come_first():
    assert farthest_off([0.0, 5.0, 1.0, -9.0], [0.0, 1.0, 2.0, -1.0], 3).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("predicted", "targets", "text"),
    [([1.0], [1.0, 2.0], "do not fit"), ([], [], "at least 1"), ([np.inf], [1.0], "not finite")],
)
def test_values_that_do_not_fit_are_refused(predicted, targets, text):
    with pytest.raises(ValueRefusedError, match=text):
        regression_report(predicted, targets)
