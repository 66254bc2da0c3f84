"""The zoo at full size against figures that come from elsewhere.

``tests/references/networks.json`` comes from a calculator without torch; ``torchvision.json`` holds
a digest of names and shapes of torchvision 0.28's own networks. Both are on meta tensors here.
"""

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from gradatim import models
from gradatim.core.spec import Spec

REFERENCES = Path(__file__).parents[1] / "references"
NETWORKS = json.loads((REFERENCES / "networks.json").read_text())
TORCHVISION = json.loads((REFERENCES / "torchvision.json").read_text())["networks"]

TEN = tuple("0123456789")
BUILDS = {
    "lenet_d2l_1x28": ("lenet", {}),
    "lenet5_1x32": ("lenet", {"padding": 0}, Spec("classification", "image", (1, 32, 32), TEN)),
    "alexnet_tv": ("alexnet", {}),
    "alexnet_paper_groups2_227": ("alexnet", {"form": "paper"}),
    "nin_d2l_3x224_1000": ("nin", {}),
    "nin_d2l_1x224_10": (
        "nin",
        {"last_block": "classes"},
        Spec("classification", "image", (1, 224, 224), TEN),
    ),
    "googlenet_tv_noaux": ("googlenet", {}),
    "googlenet_tv_aux_train": ("googlenet", {"auxiliary": True}),
    "googlenet_true5x5_pool3_bn": ("googlenet", {"true_5x5": True}),
    **{f"vgg{n}{bn}": (f"vgg{n}{bn}", {}) for n in (11, 13, 16, 19) for bn in ("", "_bn")},
    **{f"resnet{n}_tv": (f"resnet{n}", {}) for n in (18, 34, 50, 101, 152)},
    **{f"resnet{n}_paper_stride1x1": (f"resnet{n}", {"stride_on": "1x1"}) for n in (50, 101, 152)},
}


def built(key):
    name, options, *spec = BUILDS[key]
    with torch.device("meta"):
        if spec:
            return models.build(name, spec[0], options), spec[0].shape
        module = models.full_size(name, options)
        return module, module.full_input


def counted(module, shape):
    """Return (values out, weights, biases, multiply-accumulates) of each layer as it runs."""
    rows = []

    def note(layer, _, out):
        weights = layer.weight.numel()
        biases = 0 if layer.bias is None else layer.bias.numel()
        positions = math.prod(out.shape[2:])
        rows.append((math.prod(out.shape[1:]), weights, biases, weights * positions))

    hooks = [
        layer.register_forward_hook(note)
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.device("meta"):
        module(torch.empty(2, *shape))
    for hook in hooks:
        hook.remove()
    return rows


def test_every_network_of_the_reference_is_built():
    assert set(NETWORKS) - set(BUILDS) == {"mobilenet_v1"}


@pytest.mark.parametrize("key", BUILDS)
def test_totals_and_every_layer_are_exact(key):
    expected = NETWORKS[key]
    module, shape = built(key)
    heads = "aux" in key.split("_")
    rows = counted(module.train(heads), shape)
    reference = [
        (math.prod(layer["out"]), layer["weights"], layer["biases"], layer["macs"])
        for layer in expected["layers"]
        if layer["kind"] in ("conv", "fc")
    ]
    if heads:  # the reference lists the heads last
        rows, reference = sorted(rows), sorted(reference)
    assert rows == reference
    assert sum(row[3] for row in rows) == expected["macs"]
    assert sum(parameter.numel() for parameter in module.parameters()) == expected["params"]
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert sum(p.numel() for layer in norms for p in layer.parameters()) == expected["bn_params"]


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_shapes_are_those_of_torchvision(name):
    with torch.device("meta"):
        module = models.full_size(name, {"auxiliary": True} if name == "googlenet" else {})
    state = module.state_dict()
    listing = "\n".join(f"{key} {'x'.join(map(str, t.shape))}" for key, t in state.items())
    assert len(state) == TORCHVISION[name]["entries"]
    assert sum(p.numel() for p in module.parameters()) == TORCHVISION[name]["parameters"]
    assert hashlib.sha256(listing.encode()).hexdigest() == TORCHVISION[name]["sha256"]


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "googlenet", "resnet18", "resnet50"])
def test_answers_are_those_of_torchvision(name):
    theirs = pytest.importorskip("torchvision").models.get_model(name, weights=None).eval()
    mine = models.full_size(name).eval()
    models.weights.load_state(mine, theirs.state_dict())
    x = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.allclose(mine(x), theirs(x), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet20", 0.27),
        ("resnet32", 0.46),
        ("resnet44", 0.66),
        ("resnet56", 0.85),
        ("resnet110", 1.7),
    ],
)
def test_small_residual_networks_have_the_parameters_of_the_paper(name, millions):
    """Table 6 of He et al. 2015."""
    with torch.device("meta"):
        module = models.full_size(name)
        plain = models.full_size(name, {"residual": False})
    total = sum(p.numel() for p in module.parameters())
    assert round(total / 1e6, 2 if millions < 1 else 1) == millions
    assert sum(p.numel() for p in plain.parameters()) == total
    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert f"resnet{len(layers)}" == name
    if name == "resnet20":
        assert total == 269_722


def test_resnet9_has_the_published_parameters():
    """6,573,120 is what tools print for Page's network with 64 channels; here by hand, too."""
    with torch.device("meta"):
        module = models.full_size("resnet9")
    total = sum(p.numel() for p in module.parameters())
    joined = 3 * 64 + 64 * 128 + 2 * 128**2 + 128 * 256 + 256 * 512 + 2 * 512**2
    norms = 2 * (64 + 3 * 128 + 256 + 3 * 512)
    assert total == 9 * joined + norms + 512 * 10 == 6_573_120
    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 9


def test_a_dense_network_of_the_course():
    """784 x 15 + 15 + 15 x 10 + 10; some notes multiply the layers and print 117,625."""
    with torch.device("meta"):
        module = models.full_size("mlp", {"hidden": [15]})
    assert sum(p.numel() for p in module.parameters()) == 11_935
