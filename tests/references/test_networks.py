"""Every layer of the networks of `networks.json` against the anatomy of the zoo.

The file comes from an independent calculator that uses no torch and reproduces every published
figure it was compared with. Its convention: a MAC is a multiplication with addition of a
convolution or linear layer; `rf`, `stride` and `pad` are the receptive field, the jump and minus
the start. Its layers are matched in order: convolutions, pooling by sliding windows, merges and
linear layers.
"""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from gradatim import models
from gradatim.anatomy.explanation import explain
from gradatim.core.spec import Spec

FACTS = json.loads((Path(__file__).parent / "networks.json").read_text())
KINDS = {"convolution": "conv", "pooling": "pool", "linear": "fc"}


class LeNet5(nn.Sequential):
    """The paper's layers on 32 x 32: C5 is a convolution that leaves one position."""

    full_input = (1, 32, 32)

    def __init__(self):
        super().__init__(
            *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
            *(nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten()),
            *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
        )


class MobileNet(nn.Sequential):
    """MobileNet v1 (Howard et al. 2017): depthwise and 1 x 1 convolutions in turn."""

    full_input = (3, 224, 224)

    def __init__(self):
        def convolution(inputs, outputs, kernel, stride, groups=1):
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )

        widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
        widths += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
        layers, inputs = [convolution(3, 32, 3, 2)], 32
        for outputs, stride in widths:
            layers.append(convolution(inputs, inputs, 3, stride, groups=inputs))
            layers.append(convolution(inputs, outputs, 1, 1))
            inputs = outputs
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))


def grey_nin():
    """NiN for one channel of 224 x 224 and ten classes."""
    spec = Spec("classification", "image", (1, 224, 224), tuple("0123456789"))
    module = models.build("nin", spec, {"last_block": "classes"})
    module.full_input = (1, 224, 224)
    return module


def from_zoo(name, **options):
    return lambda: models.full_size(name, options)


def auxiliary():
    return models.full_size("googlenet", {"auxiliary": True}).train()


NETWORKS = {
    "lenet_d2l_1x28": from_zoo("lenet"),
    "lenet5_1x32": LeNet5,
    "alexnet_tv": from_zoo("alexnet"),
    "alexnet_paper_groups2_227": from_zoo("alexnet", form="paper"),
    "nin_d2l_3x224_1000": from_zoo("nin"),
    "nin_d2l_1x224_10": grey_nin,
    "googlenet_tv_noaux": from_zoo("googlenet"),
    "googlenet_tv_aux_train": auxiliary,
    "googlenet_true5x5_pool3_bn": from_zoo("googlenet", true_5x5=True),
    "mobilenet_v1": MobileNet,
    **{
        f"vgg{depth}{norm}": from_zoo(f"vgg{depth}{norm}")
        for depth in (11, 13, 16, 19)
        for norm in ("", "_bn")
    },
    **{f"resnet{depth}_tv": from_zoo(f"resnet{depth}") for depth in (18, 34, 50, 101, 152)},
    **{
        f"resnet{depth}_paper_stride1x1": from_zoo(f"resnet{depth}", stride_on="1x1")
        for depth in (50, 101, 152)
    },
}


def comparable(anatomy):
    """The layers the calculator lists: no adaptive pooling, no activation, no normalisation."""
    return [
        layer
        for layer in anatomy.layers
        if layer.kind in ("convolution", "linear", "merge")
        or (layer.kind == "pooling" and layer.axes[0].kernel is not None)
    ]


def test_every_network_of_the_file_is_compared():
    assert set(NETWORKS) == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_totals_and_every_layer(name):
    fact = FACTS[name]
    with torch.device("meta"):
        module = NETWORKS[name]()
    anatomy = explain(module, module.full_input, witnesses=name in ("alexnet_tv", "resnet18_tv"))
    assert anatomy.totals.parameters.value == fact["params"]
    assert anatomy.totals.macs.value == fact["macs"]
    assert anatomy.totals.flops.value == fact["flops_2xmac"]
    norms = anatomy.of_kind("normalisation")
    assert sum(x.weights.value + x.biases.value for x in norms) == fact["bn_params"]

    layers = comparable(anatomy)
    assert len(layers) == len(fact["layers"])
    for layer, expected in zip(layers, fact["layers"], strict=True):
        where = f"{name} {layer.name} against {expected}"
        kind = KINDS.get(layer.kind) or ("add" if "add" in layer.function else "cat")
        assert kind == expected["kind"], where
        assert list(layer.output_shapes[0][1:]) == expected["out"], where
        assert layer.weights.value == expected["weights"], where
        assert layer.biases.value == expected["biases"], where
        assert layer.macs.value == expected["macs"], where
        # The calculator starts fields anew behind the adaptive pooling of an auxiliary head.
        if expected["rf"] is not None and expected["name"] != "aux":
            for field in layer.fields:
                assert field.size == expected["rf"], where
                assert field.jump == str(expected["stride"]), where
                assert field.start == -expected["pad"], where
                assert field.status == "exact", where

    feature = [x for x in layers if x.kind != "linear"][-1]
    assert [f.size for f in feature.fields] == [fact["rf"]] * 2 or "aux" in name
    for stage, expected in enumerate(fact["stages"], 1):
        last = [x for x in anatomy.layers if x.path.startswith(f"layer{stage}.")][-1]
        assert list(last.output_shapes[0][1:]) == expected["shape"]
        assert {f.size for f in last.fields} == {expected["rf"]}

    disagreeing = [item for item in anatomy.witnesses() if not item[1].agrees]
    assert disagreeing == []
    assert all(opinion.closes for opinion in anatomy.others)
