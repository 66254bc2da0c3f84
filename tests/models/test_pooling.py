"""The quicker pooling is PyTorch's, values and gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradatim.core.spec import Spec
from gradatim.models import build
from gradatim.models.activations import ACTIVATIONS, FALLING
from gradatim.models.pooling import MaxPool2d, few_side_by_side


def images(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).to(dtype)


def both_ways(x, layer):
    """Return output and gradient of a layer."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    y.backward(images(*y.shape, dtype=y.dtype, seed=1))
    return y.detach(), x.grad


@pytest.mark.parametrize("channels", [2, 3, 6, 7, 12, 15])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_pytorch_to_the_bit(channels, dtype):
    x = images(5, channels, 8, 6, dtype=dtype).to(memory_format=torch.channels_last)
    assert few_side_by_side(x)
    for ours, theirs in zip(both_ways(x, MaxPool2d(2)), both_ways(x, nn.MaxPool2d(2)), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.is_contiguous(memory_format=torch.channels_last)


def test_equal_values_give_the_gradient_once():
    x = torch.zeros(2, 6, 4, 4).to(memory_format=torch.channels_last)
    (_, ours), (_, theirs) = both_ways(x, MaxPool2d(2)), both_ways(x, nn.MaxPool2d(2))
    assert torch.equal(ours, theirs)
    coarse = images(8, 6, 16, 16, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    y, gradient = both_ways(coarse, MaxPool2d(2))
    assert torch.equal(y, functional.max_pool2d(coarse, 2))
    # Two equal largest in a diagonal may be told apart differently; the sum is shared by none.
    sums = [
        functional.avg_pool2d(g.float(), 2)
        for g in (gradient, both_ways(coarse, nn.MaxPool2d(2))[1])
    ]
    assert torch.equal(*sums)


def test_second_derivatives_are_there():
    x = images(2, 3, 4, 4, dtype=torch.float64).to(memory_format=torch.channels_last)
    x.requires_grad_()
    assert torch.autograd.gradcheck(MaxPool2d(2), (x,))
    assert torch.autograd.gradgradcheck(lambda x: MaxPool2d(2)(x).square(), (x,))


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((2, 8, 4, 4), {}),  # PyTorch's kernel is fast there
        ((2, 1, 4, 4), {}),
        ((2, 6, 5, 4), {}),
        ((2, 6, 4, 4), {"stride": 1}),
        ((2, 6, 4, 4), {"padding": 1}),
        ((6, 4, 4), {}),
    ],
)
def test_all_else_is_left_to_pytorch(shape, settings):
    x = images(*shape)
    if x.ndim == 4:
        x = x.to(memory_format=torch.channels_last)
    assert torch.equal(MaxPool2d(2, **settings)(x), nn.MaxPool2d(2, **settings)(x))
    assert not few_side_by_side(images(2, 6, 4, 4))  # contiguous


def test_the_activation_after_the_maximum_gives_the_same_network():
    """LeNet pools first; second witness: its layers in the other order."""
    x = images(4, 3, 32, 32).to(memory_format=torch.channels_last)
    spec = Spec("classification", "image", (3, 32, 32), tuple("abcdefghij"))
    for name in ACTIVATIONS:
        for batch_norm in (False, True):
            net = build("lenet", spec, {"activation": name, "batch_norm": batch_norm})
            net = net.to(memory_format=torch.channels_last)
            layers = dict(net.features.named_children())
            order = list(layers)
            assert (order.index("s2") < order.index("activation1")) == (name not in FALLING)
            middle = [["norm1"], ["norm3"]] if batch_norm else [[], []]
            names = ["c1", *middle[0], "activation1", "s2", "c3", *middle[1], "activation3", "s4"]
            usual = nn.Sequential(*(layers[name] for name in names))
            for ours, theirs in zip(both_ways(x, net.features), both_ways(x, usual), strict=True):
                torch.testing.assert_close(
                    ours, theirs
                )  # vectors may round an exponential otherwise
