"""The output layer is found by a run, made anew, and the body is cut into blocks."""

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import UsageError
from gradatim.models import build
from gradatim.models.head import blocks_of, features_of, find_head, fit_outputs, replace_head

COLOUR = Spec("classification", "image", (3, 32, 32), ("a", "b", "c"))
CONVOLUTIONAL = ["lenet", "alexnet", "vgg11_bn", "nin", "googlenet", "resnet18"]
CONVOLUTIONAL += ["resnet9", "resnet20"]


class OutOfOrder(nn.Module):
    """Registers its output layer first and calls it last."""

    def __init__(self):
        super().__init__()
        self.answer = nn.Linear(4, 5)
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())

    def forward(self, x):
        return self.answer(self.body(x))


def test_the_last_layer_called_is_the_output_layer():
    head = find_head(OutOfOrder(), (3,))
    assert (head.name, head.outputs, head.exact) == ("answer", 5, True)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_network_of_the_zoo_has_one(name):
    options = {} if name in ("lenet", "nin", "googlenet") else {"width": 8}
    options = {} if name in ("alexnet", "vgg11_bn") else options
    model = build(name, COLOUR.with_shape(3, 64, 64) if name == "alexnet" else COLOUR, options)
    shape = (3, 64, 64) if name == "alexnet" else COLOUR.shape
    model.train()
    head = find_head(model, shape)
    assert head.outputs == 3
    assert head.exact == (name != "nin")  # NiN pools what its last convolution answers
    assert all(module.training for module in model.modules())


def test_features_and_output_layer_are_the_network():
    model = build("resnet20", COLOUR, {"width": 4}).eval()
    head = find_head(model, COLOUR.shape)
    x = torch.randn(5, 3, 32, 32)
    with torch.no_grad(), features_of(model, head.name) as seen:
        scores = model(x)
    layer = model.get_submodule(head.name)
    assert torch.equal(scores, layer(seen[0]))
    with torch.no_grad():
        model(x)
    assert len(seen) == 1  # the hook is gone


def test_what_follows_the_output_layer_is_seen():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Softmax(dim=1))
    assert not find_head(model, (4,)).exact


def test_a_network_without_one_and_a_wrong_input():
    with pytest.raises(UsageError, match="no output layer"):
        find_head(nn.Flatten(), (4,))
    with pytest.raises(UsageError, match="does not run on such an input") as error:
        find_head(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (5,))
    assert "data.size" in error.value.message()


def test_the_output_layer_is_made_anew():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 7, 1, bias=False), nn.Flatten())
    replace_head(model, "1", 2)
    assert model[1].weight.shape == (2, 4, 1, 1)
    assert model[1].bias is None
    dense = OutOfOrder()
    fit_outputs(dense, (3,), 2)
    assert dense.answer.weight.shape == (2, 4)
    same = dense.answer
    fit_outputs(dense, (3,), 2)
    fit_outputs(dense, (9,), 4)  # cannot be run: left as it is
    assert dense.answer is same


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet20", "vgg11_bn"])
def test_blocks_hold_every_parameter_of_the_body_once(name):
    model = build(name, COLOUR, {"width": 4} if name.startswith("resnet") else {})
    head = find_head(model, COLOUR.shape).name
    blocks = [id(p) for _, parameters in blocks_of(model, head) for p in parameters]
    layer = {id(p) for p in model.get_submodule(head).parameters()}
    assert len(blocks) == len(set(blocks))
    assert set(blocks) | layer == {id(p) for p in model.parameters()}
    assert not set(blocks) & layer


def test_the_blocks_of_a_residual_net_are_its_residual_blocks():
    names = [name for name, _ in blocks_of(build("resnet18", COLOUR, {"width": 4}), "fc")]
    assert names[:3] == ["conv1", "bn1", "layer1.0"]
    assert names[-1] == "layer4.1"
    assert len(names) == 10
