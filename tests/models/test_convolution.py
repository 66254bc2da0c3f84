"""The quicker convolution is PyTorch's, values and gradients."""

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.models import build
from gradatim.models.convolution import Conv2d, _pairs
from gradatim.probes.graph import walk


def images(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator, dtype=dtype)
    return x.to(memory_format=torch.channels_last) if x.ndim == 4 else x


def operations(tensor):
    """Return the names of the operations behind a tensor."""
    names, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None:
            names.add(node.name())
            waiting += [following for following, _ in node.next_functions]
    return names


def both(x, layer):
    """Return the answer of a layer, its gradients, and the operations it took."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    gradients = torch.autograd.grad(y, [x, *layer.parameters()], images(*y.shape, seed=1))
    return y, gradients, operations(y)


@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "padding"),
    [(3, 6, 5, 2), (3, 6, 5, 0), (2, 4, 3, 2), (3, 8, (2, 5), (1, 2)), (4, 3, 7, 4)],
)
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_pytorch(channels, outputs, kernel, padding, bias):
    torch.manual_seed(0)
    ours = Conv2d(channels, outputs, kernel, padding=padding, bias=bias).double()
    theirs = nn.Conv2d(channels, outputs, kernel, padding=padding, bias=bias).double()
    theirs.load_state_dict(ours.state_dict())
    x = images(5, channels, 10, 12)
    (y, gradients, names), (expected, expectations, usual) = both(x, ours), both(x, theirs)
    assert "IndexSelectBackward0" in names and "IndexSelectBackward0" not in usual
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(gradients, expectations)


def test_the_kernel_of_pairs_by_hand():
    """1 x 3 over columns a b | c d, padded by none: a pair needs all four of two pairs."""
    places = _pairs(1, 1, 1, 3)  # the padded kernel: 0 u v w 0
    assert places.shape == (2, 2, 1, 2)
    # column 0 of the answer is u a + v b + w c, column 1 is u b + v c + w d
    assert places[0, :, 0].tolist() == [[1, 3], [2, 4]]  # a u, c w; b v, d 0
    assert places[1, :, 0].tolist() == [[0, 2], [1, 3]]  # a 0, c v; b u, d w


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (Conv2d(3, 6, 5, padding=2), images(2, 3, 8, 8).contiguous()),
        (Conv2d(1, 6, 5, padding=2), images(2, 1, 8, 8)),
        (Conv2d(5, 6, 5, padding=2), images(2, 5, 8, 8)),
        (Conv2d(3, 9, 5, padding=2), images(2, 3, 8, 8)),
        (Conv2d(3, 6, 5, padding=1), images(2, 3, 8, 8)),
        (Conv2d(3, 6, 5, padding="same"), images(2, 3, 8, 8)),
        (Conv2d(3, 6, 5, padding=2, stride=2), images(2, 3, 8, 8)),
        (Conv2d(3, 6, 4, padding=2), images(2, 3, 8, 8)),
        (Conv2d(3, 6, 1), images(2, 3, 8, 8)),
        (Conv2d(3, 6, 5, padding=2, padding_mode="circular"), images(2, 3, 8, 8)),
        (Conv2d(3, 6, 5, padding=2), images(2, 3, 8, 7)),
        (Conv2d(3, 6, 5, padding=2), images(3, 8, 8)),
    ],
)
def test_all_else_is_left_to_pytorch(layer, x):
    layer = layer.double()
    answer = layer(x)
    assert "IndexSelectBackward0" not in operations(answer)
    assert torch.equal(answer, nn.Conv2d.forward(layer, x))


def test_the_first_layer_of_lenet_is_still_a_layer_with_weights_to_the_doctor():
    spec = Spec("classification", "image", (3, 32, 32), tuple("abc"))
    net = build("lenet", spec).to(memory_format=torch.channels_last)
    for precision in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision):
            loss = net(images(4, 3, 32, 32, dtype=torch.float32)).float().square().mean()
        assert "IndexSelectBackward0" in operations(loss)
        layers = [node for node in walk(loss).nodes if node.product]
        weights = [id(module.weight) for module in net.modules() if hasattr(module, "weight")]
        assert [weight for weight in weights if any(weight in n.parameters for n in layers)] == (
            weights
        )
