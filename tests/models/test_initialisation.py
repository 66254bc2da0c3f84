import math

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import ValueRefusedError
from gradatim.models.activations import ACTIVATIONS, Activation
from gradatim.models.initialisation import fill, initialise
from gradatim.models.mlp import MLP


def filled(name: str, rows: int = 400, columns: int = 600) -> torch.Tensor:
    torch.manual_seed(0)
    weight = torch.full((rows, columns), math.nan)
    with torch.no_grad():
        fill(name)(weight)
    return weight


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("0.01*randn", 0.01),
        ("2 * randn", 2.0),
        ("xavier", math.sqrt(2 / 1000)),
        ("xavier-normal", math.sqrt(2 / 1000)),
        ("kaiming", math.sqrt(2 / 600)),
        ("kaiming-uniform", math.sqrt(2 / 600)),
    ],
)
def test_the_deviation_is_that_of_the_formula(name, deviation):
    weight = filled(name)
    assert float(weight.std()) == pytest.approx(deviation, rel=0.01)
    assert abs(float(weight.mean())) < 0.01 * deviation


@pytest.mark.parametrize("name", ["xavier-uniform", "kaiming-uniform"])
def test_uniform_rules_have_a_bound(name):
    weight = filled(name)
    assert float(weight.abs().max()) <= float(weight.std()) * math.sqrt(3) * 1.01


def test_constant_zeros_and_orthogonal():
    assert (filled("constant=0.5") == 0.5).all()
    assert (filled("constant=-2e-1") == -0.2).all()
    assert not filled("zeros").any()
    rows = filled("orthogonal", 40, 60)
    assert torch.allclose(rows @ rows.T, torch.eye(40), atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "randn",
        "x*randn",
        "-1*randn",
        "constant",
        "constant=",
        "he",
        "constant=nan",
        "inf*randn",
    ],
)
def test_other_texts_are_refused(name):
    with pytest.raises(ValueRefusedError, match="no initialisation of this name"):
        fill(name)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_auto_starts_near_the_loss_of_guessing(name):
    torch.manual_seed(1)
    spec = Spec("classification", "vector", (64,), tuple("0123456789"))
    module = MLP.for_spec(spec, activation=name)
    loss = nn.functional.cross_entropy(module(torch.randn(256, 64)), torch.arange(256) % 10)
    assert float(loss.detach()) == pytest.approx(math.log(10), abs=0.15)


def test_auto_keeps_the_scale_of_activations_through_ten_layers():
    torch.manual_seed(2)
    spec = Spec("regression", "vector", (200,))
    module = MLP.for_spec(spec, hidden=[200] * 10)
    x = torch.randn(64, 200)
    for layer in list(module.layers)[:-1]:
        x = layer(x)
    assert 0.3 < float(x.detach().square().mean().sqrt()) < 3
    small = MLP.for_spec(spec, hidden=[200] * 10, initialisation="0.01*randn")
    y = small.layers[:-1](torch.randn(64, 200))
    assert float(y.detach().square().mean().sqrt()) < 1e-6


def test_pytorch_leaves_the_start_alone():
    torch.manual_seed(3)
    layer = nn.Linear(9, 4)
    before = layer.weight.clone()
    initialise([layer], "pytorch")
    assert torch.equal(layer.weight, before)
    initialise([layer], "zeros")
    assert not layer.weight.any()
    assert not layer.bias.any()


def test_the_type_lists_the_table():
    assert set(Activation.__args__) == set(ACTIVATIONS)
