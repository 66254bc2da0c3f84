import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
    top_k_accuracy_score,
)

from gradatim.training import metrics


def passed(names, outputs, targets, *, classes, scale=1.0, batch=7):
    """Return the values after batches of a size that does not divide the samples."""
    sums = metrics.Sums(metrics.build(names, scale), classes=classes)
    for i in range(0, len(outputs), batch):
        sums.add([0.5], outputs[None, i : i + batch], targets[None, i : i + batch])
    return sums.values()


def test_classification_metrics_are_those_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(100, 12, generator=generator)
    targets = torch.randint(0, 12, (100,), generator=generator)
    values = passed(["accuracy", "top5"], scores, targets, classes=True)
    assert values["accuracy"] == accuracy_score(targets, scores.argmax(dim=1))
    assert values["top5"] == top_k_accuracy_score(targets, scores, k=5, labels=range(12))
    assert values["loss"] == 0.5


def test_regression_metrics_are_those_of_scikit_learn_in_the_unit_of_the_target():
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(100, generator=generator)
    outputs = (targets + 0.3 * torch.randn(100, generator=generator))[:, None]
    values = passed(["r2", "mae", "rmse"], outputs, targets, classes=False, scale=20.0)
    own, answered = 50 + 20 * targets.numpy(), 50 + 20 * outputs[:, 0].numpy()
    assert values["r2"] == pytest.approx(r2_score(own, answered), rel=1e-5)
    assert values["mae"] == pytest.approx(mean_absolute_error(own, answered), rel=1e-5)
    assert values["rmse"] == pytest.approx(root_mean_squared_error(own, answered), rel=1e-5)


def test_r2_of_large_targets_keeps_its_digits():
    generator = np.random.default_rng(0)
    targets = torch.tensor(1e6 + generator.normal(size=200), dtype=torch.float32)
    outputs = targets + 0.5
    values = passed(["r2"], outputs, targets, classes=False)
    assert values["r2"] == pytest.approx(r2_score(targets.double(), outputs.double()), rel=1e-3)


def test_r2_of_equal_targets():
    targets = torch.full((10,), 3.0)
    assert passed(["r2"], targets, targets, classes=False)["r2"] == 1.0
    assert passed(["r2"], targets + 1, targets, classes=False)["r2"] == 0.0


def test_shares_count_as_their_largest_class_and_positions_as_samples():
    shares = torch.tensor([[0.2, 0.8], [0.9, 0.1]])
    scores = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert passed(["accuracy"], scores, shares, classes=True)["accuracy"] == 0.5
    sequences = torch.zeros(2, 3, 4)
    sequences[..., 1] = 1
    targets = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert passed(["accuracy"], sequences, targets, classes=True)["accuracy"] == 5 / 6


def test_several_batches_at_once_are_as_one_after_the_other():
    scores, targets = torch.randn(4, 8, 3), torch.randint(0, 3, (4, 8))
    at_once = metrics.Sums(metrics.build(["accuracy"]), classes=True)
    at_once.add([0.1, 0.2, 0.3, 0.4], scores, targets)
    one_by_one = metrics.Sums(metrics.build(["accuracy"]), classes=True)
    for i, loss in enumerate([0.1, 0.2, 0.3, 0.4]):
        one_by_one.add([loss], scores[i][None], targets[i][None])
    assert at_once.values() == one_by_one.values()


def test_sums_go_on_from_what_was_kept():
    sums = metrics.Sums(metrics.build(["accuracy"]), classes=True)
    sums.add([0.1], torch.randn(1, 8, 3), torch.randint(0, 3, (1, 8)))
    other = metrics.Sums(metrics.build(["accuracy"]), classes=True)
    other.restore(sums.to_dict())
    assert other.values() == sums.values()
    sums.clear()
    assert sums.values() == {}
