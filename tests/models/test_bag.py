"""Models that read series and texts without order: a bag of tokens, steps side by side."""

import math

import pytest
import torch

from gradatim.core.spec import Spec
from gradatim.models import build

TEXT = Spec("classification", "text", (6,), ("no", "yes"), vocabulary=9)
SERIES = Spec("regression", "sequence", (4, 2))


def test_a_bag_does_not_see_order_or_padding():
    torch.manual_seed(0)
    module = build("bag", TEXT)
    torch.nn.init.normal_(module.weights.weight[1:])
    text = torch.tensor([[3, 5, 5, 8, 0, 0]])
    scores = module(text)
    assert torch.allclose(scores, module(torch.tensor([[5, 8, 3, 5]])))
    weights = module.weights.weight
    expected = (weights[3] + 2 * weights[5] + weights[8]) / 2 + module.bias
    assert torch.allclose(scores[0], expected)
    assert not torch.allclose(scores, module(torch.tensor([[3, 5, 8]])))


def test_an_empty_text_gets_the_bias():
    module = build("bag", TEXT)
    torch.nn.init.ones_(module.bias)
    assert module(torch.zeros(1, 6, dtype=torch.int64)).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("name", ["linear", "mlp", "knn"])
def test_steps_that_are_filled_up_count_as_the_mean(name):
    torch.manual_seed(0)
    module = build(name, SERIES).eval()
    whole = torch.randn(5, 4, 2)
    if name == "knn":
        module.solve([(whole, torch.randn(5))])
    elif name == "linear":
        torch.nn.init.normal_(module.linear.weight)
    short = torch.randn(3, 2, 2)
    filled = torch.full((3, 4, 2), math.nan)
    filled[:, :2] = short
    with_mean = filled.nan_to_num(nan=0.0)
    assert torch.equal(module(filled), module(with_mean))
    assert torch.allclose(module(short), module(with_mean))
