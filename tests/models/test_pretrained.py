"""Weights from files, libraries and functions, and what belongs to them."""

import sys
import types

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import UsageError, WeightsError
from gradatim.models import build
from gradatim.models.head import find_head
from gradatim.models.pretrained import (
    Pretrained,
    copy_rows,
    fingerprint,
    old_classes,
    read_external,
    read_file,
    transplant,
)
from gradatim.models.shared_classes import imagenet

TEN = Spec("classification", "image", (3, 32, 32), tuple("abcdefghij"))
THREE = Spec("classification", "image", (3, 32, 32), tuple("abc"))
OPTIONS = {"width": 4}


def old_network():
    torch.manual_seed(1)
    return build("resnet20", TEN, OPTIONS)


def taken(name="resnet20", network=None, **more):
    state = (network or old_network()).state_dict()
    return Pretrained("old.pth", name, OPTIONS, state, **more)


def test_everything_but_the_output_layer_is_copied():
    old, new = old_network(), build("resnet20", THREE, OPTIONS)
    head = find_head(new, THREE.shape)
    before = new.fc.weight.clone()
    assert transplant(new, taken(network=old), head) == ["fc.bias", "fc.weight"]
    state = old.state_dict()
    assert all(torch.equal(t, state[n]) for n, t in new.state_dict().items() if n[:2] != "fc")
    assert torch.equal(new.fc.weight, before)


def test_rows_are_copied_one_by_one():
    old, new = old_network(), build("resnet20", THREE, OPTIONS)
    head = find_head(new, THREE.shape)
    before = new.fc.weight.clone()
    copy_rows(new.fc, taken(network=old), head, {0: 7, 2: 1})
    assert torch.equal(new.fc.weight, torch.stack([old.fc.weight[7], before[1], old.fc.weight[1]]))
    assert torch.equal(new.fc.bias[[0, 2]], old.fc.bias[[7, 1]])


def test_further_output_layers_of_another_size_stay_fresh():
    spec = TEN.with_shape(3, 64, 64)
    old = build("googlenet", spec, {"width": 8, "auxiliary": True})
    new = build("googlenet", THREE.with_shape(3, 64, 64), {"width": 8, "auxiliary": True})
    left = transplant(
        new, Pretrained("g", "googlenet", {}, old.state_dict()), find_head(new, spec.shape)
    )
    assert {name for name in left if "aux" in name} == {
        f"aux{i}.fc2.{part}" for i in (1, 2) for part in ("weight", "bias")
    }


def test_mismatches_are_listed_not_skipped():
    head = find_head(build("resnet20", THREE, OPTIONS), THREE.shape)
    wider = build("resnet20", THREE, {"width": 8})
    with pytest.raises(WeightsError, match=r"of another shape: conv1\.weight") as error:
        transplant(wider, taken(), head)
    assert "file 4 x 3 x 3 x 3, model 8 x 3 x 3 x 3" in error.value.message()
    other = build("resnet18", THREE, {"width": 4})
    with pytest.raises(WeightsError, match="not in the file: ") as error:
        transplant(other, taken(), head)
    assert "not in the model: " in error.value.message()
    assert "--model NAME" in error.value.message()
    narrow = taken()
    state = {**narrow.state, "fc.weight": torch.zeros(10, 5)}
    with pytest.raises(WeightsError, match="rows of the old output layer"):
        fc = build("resnet20", THREE, OPTIONS).fc
        copy_rows(fc, Pretrained("x", "resnet20", {}, state), head, {0: 0})


def test_a_file_needs_the_name_of_its_network(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(old_network().state_dict(), path)
    with pytest.raises(UsageError, match="which network it belongs to"):
        read_file(str(path), None, {})
    found = read_file(str(path), "resnet20", OPTIONS)
    assert found.settings["data.mean"][0] == (0.485, 0.456, 0.406)
    assert "do not say" in found.settings["data.mean"][1]
    with pytest.raises(WeightsError, match="there is no weight file"):
        read_file(str(tmp_path / "none.pth"), "resnet20", {})


class Trap:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return print, ("executed",)


def test_a_checkpoint_with_code_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"a": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match="reading it would run code"):
        read_file(str(tmp_path / "trap.pth"), "resnet20", {})
    assert "executed" not in capsys.readouterr().out


def test_a_fingerprint_sees_every_bit_name_and_shape():
    state = {"a": torch.arange(6.0), "b": torch.ones(())}
    same = {"b": torch.ones(()), "a": torch.arange(6.0)}
    assert fingerprint(state) == fingerprint(same)
    changed = [
        {**state, "a": torch.arange(6.0).nextafter(torch.tensor(9.0))},
        {**state, "a": torch.arange(6.0).reshape(2, 3)},
        {"c": state["a"], "b": state["b"]},
        {**state, "b": torch.ones((), dtype=torch.float64)},
    ]
    assert len({fingerprint(state), *map(fingerprint, changed)}) == 5


def test_a_thousand_outputs_are_imagenets_unless_they_have_other_names():
    weights = Pretrained("x", "y", {}, {})
    assert old_classes(weights, 1000) is imagenet()
    assert old_classes(weights, 10) == ()
    short = tuple((row[0],) for row in imagenet())
    assert old_classes(Pretrained("x", "y", {}, {}, short), 1000) is imagenet()
    own = tuple((f"thing {i}",) for i in range(1000))
    assert old_classes(Pretrained("x", "y", {}, {}, own), 1000) is own


@pytest.fixture
def stand_ins(monkeypatch):
    """Modules with the functions of torchvision and timm that are called."""

    class Net(nn.Module):
        def __init__(self, outputs=1000):
            super().__init__()
            self.fc = nn.Linear(3, outputs)
            nn.init.constant_(self.fc.weight, 0.5)

        def forward(self, x):
            return self.fc(x.mean(dim=(2, 3)))

    class Weights:
        meta: dict = {"categories": [row[0] for row in imagenet()]}  # noqa: RUF012

        def __str__(self):
            return "Net_Weights.V2"

        def transforms(self):
            mode = types.SimpleNamespace(value="bilinear")
            look = {"mean": [0.1] * 3, "std": [0.2] * 3, "interpolation": mode}
            return types.SimpleNamespace(crop_size=[160], **look)

    def get_model(name, weights, num_classes=1000, **rest):
        assert weights is None or str(weights) == "Net_Weights.V2"
        return Net(num_classes)

    def create_model(name, pretrained, num_classes=12, in_chans=3):
        net = Net(num_classes)
        net.pretrained_cfg = {"input_size": (3, 240, 240), "mean": (0.5,) * 3, "std": (0.3,) * 3}
        net.pretrained_cfg["interpolation"] = "lanczos"
        return net

    vision, models, timm = (types.ModuleType(n) for n in ("torchvision", "m", "timm"))
    models.list_models = lambda module: ["resnet18"]
    models.get_model = get_model
    models.get_model_builder = lambda name: Net
    models.get_model_weights = lambda name: types.SimpleNamespace(DEFAULT=Weights())
    vision.models = models
    timm.list_models = lambda: ["vit_tiny"]
    timm.create_model = create_model
    for name, module in {"torchvision": vision, "torchvision.models": models, "timm": timm}.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("stand_ins")
def test_the_look_of_a_librarys_weights_comes_with_them():
    found = read_external("torchvision:resnet18", {})
    assert {key: value for key, (value, _) in found.settings.items()} == {
        "data.size": 160, "data.channels": 3, "data.interpolation": "bilinear",
        "data.mean": (0.1, 0.1, 0.1), "data.std": (0.2, 0.2, 0.2),
    }  # fmt: skip
    assert "Net_Weights.V2" in found.settings["data.size"][1]
    assert old_classes(found, 1000) is imagenet()
    model = build("torchvision:resnet18", THREE)
    assert transplant(model, found, find_head(model, THREE.shape)) == ["fc.bias", "fc.weight"]
    timm = read_external("timm:vit_tiny", {})
    assert timm.settings["data.size"][0] == 240
    assert "data.interpolation" not in timm.settings
    assert timm.remarks == (
        "images are resized by the bicubic filter; the weights were made with lanczos",
    )
    assert old_classes(timm, 12) == ()


def test_a_function_that_brings_its_weights(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "brings_weights.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    net = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3, 1000))\n"
        "    net.default_cfg = {'input_size': (3, 32, 32), 'mean': (0,) * 3, 'std': (1,) * 3}\n"
        "    return net\n"
        "def plain():\n"
        "    return nn.Linear(2, 2)\n"
        "def wants(spec):\n"
        "    return nn.Linear(2, spec.outputs)\n"
    )
    found = read_external("brings_weights:net", {})
    assert found.settings["data.size"] == (32, "brings_weights:net says so")
    assert build("brings_weights:net", THREE)[2].out_features == 3
    assert read_external("brings_weights:plain", {}).settings["data.size"][0] == 224
    with pytest.raises(UsageError, match="without a spec") as error:
        read_external("brings_weights:wants", {})
    assert "def wants(spec=None)" in error.value.message()
    sys.modules.pop("brings_weights")


def test_weights_that_are_nowhere():
    with pytest.raises(UsageError, match="not there") as error:
        read_external("runs/typo", {})
    assert "torchvision:NAME" in error.value.message()
