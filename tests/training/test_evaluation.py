import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_absolute_error, r2_score
from torch import nn

from gradatim.core.recipe import MachineRecipe
from gradatim.core.spec import Spec
from gradatim.errors import UsageError
from gradatim.training import evaluate


def test_classification_against_scikit_learn(net, batches_of):
    batches = batches_of(90, 20)
    model = net().train()
    found = evaluate(model, batches)
    targets = torch.cat([targets for _, targets in batches]).numpy()
    assert found.scores.shape == (90, 2) and found.scores.dtype == np.float32
    assert found.scores.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(found.targets, targets)
    assert np.array_equal(found.indices, np.arange(90))
    exact = found.scores.astype(float)
    exact /= exact.sum(axis=1, keepdims=True)
    assert found.loss == pytest.approx(log_loss(targets, exact), rel=1e-5)
    assert found.metrics == {"accuracy": (found.scores.argmax(axis=1) == targets).mean()}
    assert model.training and found.seconds > 0


def test_regression_answers_standardised_values_and_errors_in_the_unit():
    inputs, targets = torch.randn(50, 3), torch.randn(50)
    spec = Spec("regression", "vector", (3,))
    model = nn.Linear(3, 1)
    found = evaluate(model, [(inputs, targets)], spec=spec, unscale=(7.0, 4.0))
    assert found.scores.shape == (50, 1)
    own, answers = 7 + 4 * targets.numpy(), 7 + 4 * found.scores[:, 0]
    assert found.metrics["r2"] == pytest.approx(r2_score(own, answers), rel=1e-4)
    assert found.metrics["mae"] == pytest.approx(mean_absolute_error(own, answers), rel=1e-4)
    assert found.loss == pytest.approx(((targets.numpy() - found.scores[:, 0]) ** 2).mean())


def test_indices_of_the_batches_are_kept_and_many_classes_get_top5():
    spec = Spec("classification", "vector", (3,), tuple("abcdefghijkl"))
    batches = [
        (torch.randn(4, 3), torch.arange(4), torch.tensor([8, 6, 4, 2])),
        (torch.randn(1, 3), torch.tensor([11]), torch.tensor([0])),
    ]
    found = evaluate(nn.Linear(3, 12), batches, spec=spec, loss="hinge")
    assert found.indices.tolist() == [8, 6, 4, 2, 0]
    assert set(found.metrics) == {"accuracy", "top5"}


def test_smoothing_and_weights_do_not_count():
    model, batch = nn.Linear(3, 2), (torch.randn(8, 3), torch.arange(8) % 2)
    plain = nn.functional.cross_entropy(model(batch[0]), batch[1]).item()
    assert evaluate(model, [batch], loss="cross-entropy").loss == pytest.approx(plain)


def test_precision_is_that_of_the_machine():
    model, batch = nn.Linear(300, 5), (torch.randn(64, 300), torch.arange(64) % 5)
    exact = evaluate(model, [batch]).scores
    rounded = evaluate(model, [batch], machine=MachineRecipe("cpu", "bf16", "contiguous")).scores
    assert rounded.dtype == np.float32
    assert 0 < np.abs(exact - rounded).max() < 0.02


def test_no_batch_is_told():
    with pytest.raises(UsageError, match="no batch to evaluate"):
        evaluate(nn.Linear(3, 2), [])
