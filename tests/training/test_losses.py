import math

import pytest
import torch
from torch.nn import functional

from gradatim.core.recipe import TrainingRecipe
from gradatim.errors import ValueRefusedError
from gradatim.training import losses

SCORES = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
RIGHT = torch.tensor([0, 1, 2])


def test_hinge_of_the_worked_example():
    each = losses.hinge(SCORES, RIGHT, reduction="none")
    assert each.tolist() == pytest.approx([2.9, 0.0, 12.9], abs=1e-5)
    assert losses.hinge(SCORES, RIGHT).item() == pytest.approx(5.27, abs=0.005)


def test_hinge_is_torch_hinge_times_the_classes():
    scores, targets = torch.randn(50, 7, dtype=torch.float64), torch.randint(0, 7, (50,))
    expected = 7 * functional.multi_margin_loss(scores, targets)
    assert losses.hinge(scores, targets).item() == pytest.approx(expected.item())


def test_hinge_gradient_is_that_of_finite_differences():
    scores = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 4, (5,))
    assert torch.autograd.gradcheck(lambda s: losses.hinge(s, targets), scores)


def test_cross_entropy_of_the_worked_example():
    loss = losses.cross_entropy(SCORES[:1], RIGHT[:1])
    assert loss.item() == pytest.approx(2.04, abs=0.005)
    assert loss.item() / math.log(10) == pytest.approx(0.89, abs=0.005)


def test_first_loss_of_balanced_classes_is_ln_k():
    assert losses.cross_entropy(torch.zeros(8, 10), torch.arange(8)).item() == pytest.approx(
        math.log(10)
    )


def test_label_smoothing_and_class_weights_by_hand():
    smoothing, weights = 0.1, torch.tensor([0.5, 2.0, 1.0])
    recipe = TrainingRecipe(loss="cross-entropy", label_smoothing=smoothing)
    log_p = SCORES.log_softmax(dim=1)
    each = -(1 - smoothing) * log_p[range(3), RIGHT] - smoothing * log_p.mean(dim=1)
    assert losses.build(recipe)(SCORES, RIGHT).item() == pytest.approx(each.mean().item())
    weighted = losses.build(TrainingRecipe(loss="cross-entropy"), weights)
    expected = -(weights * log_p[range(3), RIGHT]).sum() / weights.sum()
    assert weighted(SCORES, RIGHT).item() == pytest.approx(expected.item())
    hinge = losses.build(TrainingRecipe(loss="hinge"), weights)
    expected = (weights * losses.hinge(SCORES, RIGHT, reduction="none")).sum() / weights.sum()
    assert hinge(SCORES, RIGHT).item() == pytest.approx(expected.item())


def test_shares_of_mix_up_are_the_mixed_losses():
    share = 0.3
    one_hot = functional.one_hot(RIGHT, 3).float()
    mixed = share * one_hot + (1 - share) * one_hot.flip(0)
    expected = share * losses.cross_entropy(SCORES, RIGHT) + (1 - share) * losses.cross_entropy(
        SCORES, RIGHT.flip(0)
    )
    assert losses.cross_entropy(SCORES, mixed).item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(ValueRefusedError, match="one class per sample") as refused:
        losses.hinge(SCORES, mixed)
    assert "mix-up" in str(refused.value)


def test_errors_of_values():
    outputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 4.0])
    assert losses.squared_error(outputs, targets).item() == pytest.approx((1 + 4) / 2)
    assert losses.absolute_error(outputs, targets).item() == pytest.approx((1 + 2) / 2)
    assert losses.squared_error(outputs, targets, reduction="none").tolist() == [1, 4]
    assert losses.absolute_error(outputs, targets, reduction="none").tolist() == [1, 2]


def test_values_of_another_shape_are_refused_not_broadcast():
    with pytest.raises(ValueRefusedError, match="do not fit the targets") as refused:
        losses.squared_error(torch.zeros(4, 3), torch.zeros(4))
    assert "values 4 x 3, targets 4" in str(refused.value)
    with pytest.raises(ValueRefusedError, match="do not fit the targets"):
        losses.cross_entropy(torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.hinge])
def test_a_target_that_is_no_class_is_named(loss):
    with pytest.raises(ValueRefusedError, match="no such class") as refused:
        loss(torch.zeros(2, 3), torch.tensor([1, 3]))
    assert "targets from 1 to 3" in str(refused.value)
    assert "allowed: 0 to 2" in str(refused.value)


def test_scores_of_sequences_count_every_position():
    scores, targets = torch.randn(2, 5, 7), torch.randint(0, 7, (2, 5))
    expected = functional.cross_entropy(scores.transpose(1, 2), targets)
    assert losses.cross_entropy(scores, targets).item() == pytest.approx(expected.item())


def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.tensor([0] * 5 + [1] * 3 + [2] * 12)
    expected = compute_class_weight("balanced", classes=labels.unique().numpy(), y=labels.numpy())
    assert losses.balanced_weights(labels.bincount()).tolist() == pytest.approx(expected)
    assert losses.balanced_weights(torch.tensor([4, 0]))[1] == 0
