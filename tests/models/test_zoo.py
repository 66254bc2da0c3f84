"""What single networks of the zoo promise beyond the contract of all."""

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import ValueRefusedError, WeightsError
from gradatim.models import build
from gradatim.models.weights import load_state

COLOUR = Spec("classification", "image", (3, 32, 32), tuple("0123456789"))


def features_of(module, x):
    """Return the sizes of the last feature map and of the first dense layer's input."""
    seen = []
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    module(x)
    return seen[0]


# --- forms fitted to small images ---------------------------------------------------------------


@pytest.mark.parametrize(("side", "left"), [(8, 64), (11, 64), (12, 16), (28, 400), (32, 576)])
def test_lenet_takes_what_its_second_pooling_leaves(side, left):
    spec = Spec("classification", "image", (1, side, side), ("a", "b"))
    assert features_of(build("lenet", spec), torch.randn(1, 1, side, side)) == left


def test_lenet_of_the_book_has_sigmoid_and_average_pooling():
    from gradatim.models.lenet import LeNet

    kinds = [type(layer) for layer in LeNet.full_size().modules()]
    assert nn.Sigmoid in kinds
    assert nn.AvgPool2d in kinds
    assert nn.ReLU not in kinds


@pytest.mark.parametrize(("side", "positions"), [(8, 1), (16, 2), (28, 4), (32, 4), (64, 4)])
def test_alexnet_halves_small_images_three_times(side, positions):
    spec = Spec("classification", "image", (3, side, side), ("a", "b"))
    module = build("alexnet", spec, {"units": 8})
    assert features_of(module, torch.randn(2, 3, side, side)) == 256 * positions**2


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "vgg11", "alexnet", "nin"])
def test_the_form_changes_at_a_side_of_64(name):
    def first(side):
        with torch.device("meta"):
            module = build(name, Spec("classification", "image", (3, side, side), ("a", "b")))
        return next(m for m in module.modules() if isinstance(m, nn.Conv2d))

    kernels = {
        "resnet18": (3, 7),
        "googlenet": (3, 7),
        "vgg11": (3, 3),
        "alexnet": (5, 11),
        "nin": (5, 11),
    }[name]
    assert first(64).kernel_size[0] == kernels[0]
    assert first(67).kernel_size[0] == kernels[1]


@pytest.mark.parametrize("side", [67, 96, 101, 160])
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "vgg11", "alexnet", "nin"])
def test_sizes_between_small_and_full(name, side):
    spec = Spec("classification", "image", (3, side, side), ("a", "b"))
    with torch.device("meta"):
        assert build(name, spec).eval()(torch.empty(1, 3, side, side)).shape == (1, 2)


# --- GoogLeNet's heads --------------------------------------------------------------------------


def test_heads_are_used_in_training_only():
    module = build("googlenet", COLOUR, {"width": 8})
    x = torch.randn(2, 3, 32, 32)
    outputs = module.train()(x)
    assert [tuple(part.shape) for part in outputs] == [(2, 10)] * 3
    assert module.eval()(x).shape == (2, 10)
    without = build("googlenet", COLOUR, {"width": 8, "auxiliary": False})
    assert without.train()(x).shape == (2, 10)


def test_the_training_loss_weighs_the_heads():
    module = build("googlenet", COLOUR, {"width": 8})
    scores = [torch.randn(4, 10) for _ in range(3)]
    targets = torch.arange(4)
    loss = nn.functional.cross_entropy
    expected = loss(scores[0], targets) + 0.3 * (
        loss(scores[1], targets) + loss(scores[2], targets)
    )
    assert torch.allclose(module.training_loss(tuple(scores), targets, loss), expected)
    assert torch.equal(module.training_loss(scores[0], targets, loss), loss(scores[0], targets))


def test_weights_with_heads_load_without_them_but_not_the_other_way():
    heads = build("googlenet", COLOUR, {"width": 8})
    plain = build("googlenet", COLOUR, {"width": 8, "auxiliary": False})
    load_state(plain, heads.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(plain.eval()(x), heads.eval()(x))
    with pytest.raises(WeightsError, match=r"not in the file: aux1\.conv\.conv\.weight"):
        load_state(heads, plain.state_dict())


# --- residual networks --------------------------------------------------------------------------


def test_without_skips_nothing_else_changes():
    residual = build("resnet18", COLOUR, {"width": 4})
    plain = build("resnet18", COLOUR, {"width": 4, "residual": False})
    names = {name for name, _ in residual.named_parameters()}
    assert {name for name in names if "downsample" not in name} == {
        name for name, _ in plain.named_parameters()
    }
    assert len(names) - len(list(plain.named_parameters())) == 3 * 3


def test_a_block_with_zero_weights_is_the_identity_of_what_is_positive():
    module = build("resnet20", COLOUR).eval()
    block = module.layer1[0]
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(block(x), x)
    plain = build("resnet20", COLOUR, {"residual": False}).eval().layer1[0]
    nn.init.zeros_(plain.bn2.weight)
    assert not plain(x).any()


def test_the_skip_without_parameters_pads_with_zeros():
    skip = build("resnet20", COLOUR).layer2[0].downsample
    x = torch.rand(1, 16, 6, 6)
    out = skip(x)
    assert out.shape == (1, 32, 3, 3)
    assert torch.equal(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_the_stride_moves_between_the_convolutions_of_a_bottleneck():
    for where, strides in [("3x3", (1, 2, 1)), ("1x1", (2, 1, 1))]:
        with torch.device("meta"):
            block = build("resnet50", COLOUR, {"stride_on": where}).layer2[0]
        convolutions = (block.conv1, block.conv2, block.conv3)
        assert tuple(c.stride[0] for c in convolutions) == strides


def test_nin_takes_three_channels():
    with pytest.raises(ValueRefusedError, match="takes three numbers"):
        build("nin", COLOUR, {"channels": [8, 8]})


# --- the perceptron -----------------------------------------------------------------------------

PLANE = Spec("classification", "vector", (2,), ("no", "yes"))
CORNERS = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("gate", "answers"), [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("nand", [1, 1, 1, 0])]
)
def test_the_perceptron_learns_what_a_line_separates(gate, answers):
    module = build("perceptron", PLANE)
    facts = module.solve([(CORNERS, torch.tensor(answers))])
    assert module.fires(CORNERS)[:, 0].tolist() == answers
    assert module(CORNERS).argmax(1).tolist() == answers
    assert facts["last_mistakes"] == 0
    assert facts["epochs"] < 20


def test_the_perceptron_never_settles_on_exclusive_or():
    module = build("perceptron", PLANE, {"epochs": 200})
    facts = module.solve([(CORNERS, torch.tensor([0, 1, 1, 0]))])
    assert facts["epochs"] == 200
    assert facts["last_mistakes"] > 0


def test_the_first_steps_by_hand():
    """b = 0, w = 0 does not fire; (1, 1) should: w = (1, 1), b = 1. Then (0, 0) fires: b = 0."""
    module = build("perceptron", PLANE, {"epochs": 1})
    module.solve([(torch.tensor([[1.0, 1], [0, 0]]), torch.tensor([1, 0]))])
    assert module.neurons.weight.tolist() == [[1, 1]]
    assert module.neurons.bias.tolist() == [0]


def test_the_number_of_mistakes_is_within_novikoffs_bound():
    """At most (R / margin)^2 in a ball of R, with the bias as a coordinate of 1."""
    torch.manual_seed(0)
    truth = torch.tensor([2.0, -1.0, 0.5])
    x = torch.cat([torch.randn(300, 2), torch.ones(300, 1)], dim=1)
    margins = (x @ truth).abs() / truth.norm()
    x = x[margins > 0.2]
    labels = (x @ truth > 0).long()
    module = build("perceptron", PLANE, {"epochs": 500})
    updates = 0
    facts = {"last_mistakes": 1.0}
    while facts["last_mistakes"]:
        module.epochs = 1
        facts = module.solve([(x[:, :2], labels)])
        updates += facts["last_mistakes"]
    assert 0 < updates <= float(x.norm(dim=1).max() ** 2) / 0.2**2


def test_more_classes_have_a_neuron_each():
    spec = Spec("classification", "vector", (2,), ("a", "b", "c"))
    module = build("perceptron", spec)
    centres = torch.tensor([[0.0, 5], [5, -5], [-5, -5]])
    x = centres.repeat(20, 1) + torch.randn(60, 2)
    labels = torch.arange(3).repeat(20)
    module.solve([(x[:30], labels[:30]), (x[30:], labels[30:])])
    assert (module(x).argmax(1) == labels).float().mean() > 0.95
