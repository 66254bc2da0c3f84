"""One pixel and one loss derived: the worked examples, and PyTorch's own answers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradatim.anatomy import losses
from gradatim.anatomy.pixel import open_pixel
from gradatim.errors import UsageError, ValueRefusedError


def example():
    layer = nn.Conv2d(1, 1, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[1.0, -1], [1, -1]]]]))
    x = torch.tensor([[[1.0, 0, 2, 1], [0, 0, 1, 3], [1, 2, 0, 1], [2, 1, 0, 0]]])
    return layer, x


def test_a_pixel_shows_patch_products_sum_bias_and_activation():
    layer, x = example()
    pixel = open_pixel(layer, x, 0, 0, activation=nn.ReLU())
    assert pixel.channels[0].patch == ((1.0, 0.0), (0.0, 0.0))
    assert pixel.channels[0].products == ((1.0, -0.0), (0.0, -0.0))
    assert pixel.value == 1
    assert pixel.lines()[0] == ("channel 0", "1*1 + 0*(-1) + 0*1 + 0*(-1) = 1")
    below = open_pixel(layer, x, 0, 1, activation=nn.ReLU())
    assert (below.value, below.activated) == (-3, 0)
    assert below.lines()[-1] == ("activation", "ReLU((-3)) = 0")


def test_sliding_products_of_the_course():
    """A 4 x 4 image and a 2 x 2 kernel give 3 x 3; the entries begin 1, -1 and end with 2."""
    layer, _ = example()
    x = torch.tensor([[[1.0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 2, 0], [0, 1, 1, 1]]])
    values = [[open_pixel(layer, x, r, c).value for c in range(3)] for r in range(3)]
    assert values[0][:2] == [1, -1]
    assert values[2][2] == 2
    assert torch.equal(torch.tensor(values), layer(x)[0])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([0, 1, 2, "same"]),
    st.integers(1, 2),
    st.sampled_from([1, 2]),
    st.booleans(),
    st.sampled_from(["zeros", "reflect", "circular"]),
)
def test_every_pixel_is_what_the_layer_answers(
    seed, kernel, stride, padding, dilation, groups, bias, mode
):
    torch.manual_seed(seed)
    stride = 1 if padding == "same" else stride
    layer = nn.Conv2d(
        4, 6, kernel, stride, padding, dilation, groups=groups, bias=bias, padding_mode=mode
    )
    x = torch.randn(1, 4, 8, 9)
    out = layer(x)[0]
    for channel, row, column in ((0, 0, 0), (5, out.shape[1] - 1, out.shape[2] - 1)):
        pixel = open_pixel(layer, x, row, column, channel)
        assert pixel.agrees
        assert pixel.value == pytest.approx(out[channel, row, column].item(), abs=1e-5)
        assert pixel.sum == pytest.approx(sum(c.sum for c in pixel.channels), abs=1e-9)


def test_pixels_that_are_not_there_are_refused():
    layer, x = example()
    with pytest.raises(ValueRefusedError, match="the output has no row 3") as caught:
        open_pixel(layer, x, 3, 0)
    assert "allowed: 0 to 2" in str(caught.value)
    with pytest.raises(ValueRefusedError, match="no channel 1"):
        open_pixel(layer, x, 0, 0, 1)
    with pytest.raises(UsageError, match="only a two-dimensional convolution"):
        open_pixel(nn.Linear(2, 2), x, 0, 0)
    with pytest.raises(UsageError, match="one sample is opened up at a time"):
        open_pixel(layer, torch.zeros(2, 1, 4, 4), 0, 0)


@pytest.mark.parametrize(
    ("scores", "target", "value"),
    [([3.2, 5.1, -1.7], 0, 2.9), ([1.3, 4.9, 2.0], 1, 0.0), ([2.2, 2.5, -3.1], 2, 12.9)],
)
def test_the_hinge_loss_of_the_course(scores, target, value):
    found = losses.hinge(scores, target)
    assert found.value == pytest.approx(value)
    reference = nn.functional.multi_margin_loss(
        torch.tensor([scores], dtype=torch.float64), torch.tensor([target]), reduction="sum"
    )
    assert found.value == pytest.approx(float(reference) * len(scores))


def test_the_hinge_losses_have_the_mean_of_the_course():
    rows = (([3.2, 5.1, -1.7], 0), ([1.3, 4.9, 2.0], 1), ([2.2, 2.5, -3.1], 2))
    assert sum(losses.hinge(s, t).value for s, t in rows) / 3 == pytest.approx(5.27, abs=0.005)


def test_hinge_terms_are_derived():
    found = losses.hinge([3.2, 5.1, -1.7], 0)
    assert found.lines[0] == ("class 1", "max(0, 5.1 - 3.2 + 1) = max(0, 2.9) = 2.9")
    assert found.lines[1] == ("class 2", "max(0, (-1.7) - 3.2 + 1) = max(0, (-3.9)) = 0")


def test_softmax_and_cross_entropy_of_the_course():
    found = losses.cross_entropy([3.2, 5.1, -1.7], 0)
    assert [round(p, 2) for p in found.probabilities] == [0.13, 0.87, 0.00]
    assert found.value == pytest.approx(2.04, abs=0.005)
    assert found.value / math.log(10) == pytest.approx(0.89, abs=0.005)
    lines = dict(found.lines)
    assert lines["class 0"] == "exp(3.2 - 5.1) = 0.1496"
    assert lines["p(class 0)"] == "0.1496/1.151 = 0.1300"
    assert lines["loss"] == "-log(0.13) = 2.0404 nats"
    assert "0.8861 with log10" in lines["in other units"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12), st.data())
def test_losses_and_gradients_are_pytorchs(scores, data):
    target = data.draw(st.integers(0, len(scores) - 1))
    x = torch.tensor([scores], dtype=torch.float64, requires_grad=True)
    loss = nn.functional.cross_entropy(x, torch.tensor([target]))
    loss.backward()
    found = losses.cross_entropy(scores, target)
    assert found.value == pytest.approx(loss.item(), abs=1e-9)
    assert found.gradient == pytest.approx(x.grad[0].tolist(), abs=1e-9)


def test_large_scores_do_not_overflow():
    assert losses.cross_entropy([1000.0, 0.0], 1).value == pytest.approx(1000)


def test_equal_scores_cost_the_logarithm_of_the_classes():
    assert losses.cross_entropy([0.0] * 10, 3).value == pytest.approx(math.log(10))
    assert losses.redundant_softmax_bound(10) == pytest.approx(1.461, abs=5e-4)
    best = torch.zeros(1, 10, dtype=torch.float64)
    best[0, 0] = 1.0  # the most that a softmax can answer
    twice = nn.functional.cross_entropy(best, torch.tensor([0]))
    assert float(twice) == pytest.approx(losses.redundant_softmax_bound(10))


def test_squared_error_is_derived():
    found = losses.squared_error(2.5, 4.0)
    assert (found.value, found.gradient) == (2.25, (-3.0,))


@pytest.mark.parametrize("scores", [[1.0], [float("nan"), 0.0]])
def test_scores_that_give_no_loss_are_refused(scores):
    with pytest.raises(ValueRefusedError):
        losses.cross_entropy(scores, 0)
    with pytest.raises(ValueRefusedError, match="no class of this number") as caught:
        losses.hinge([1.0, 2.0], 2)
    assert "allowed: 0 to 1" in str(caught.value)
