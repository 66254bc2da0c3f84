import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gradatim.training.averaging import Average


def moved(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_average_is_that_of_torch_once_the_decay_is_reached():
    model = nn.Linear(3, 2)
    average = Average(model, 0.8)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8))
    theirs.update_parameters(model)  # the first update copies
    for step in range(100, 110):
        moved(model)
        average.update(step)
        theirs.update_parameters(model)
    for ours, other in zip(average.average, theirs.module.parameters(), strict=True):
        assert torch.allclose(ours, other, atol=1e-6)


def test_early_steps_forget_the_initial_weights():
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, 0.999)
    first = model.weight.item()
    expected = first
    for step in range(1, 6):
        moved(model)
        average.update(step)
        decay = (1 + step) / (10 + step)
        expected = decay * expected + (1 - decay) * model.weight.item()
    assert average.average[0].item() == pytest.approx(expected, rel=1e-5)


def test_swap_twice_gives_every_bit_back():
    model = nn.Linear(3, 2)
    average = Average(model, 0.9)
    moved(model)
    average.update(1)
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    mean = [value.clone() for value in average.average]
    average.swap()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), mean, strict=True))
    average.swap()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), weights, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(average.average, mean, strict=True))
