import sys
import types

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError
from gradatim.models import build, external, full_size

COLOUR = Spec("classification", "image", (3, 32, 32), ("a", "b", "c"))
GREY = Spec("classification", "image", (1, 32, 32), ("a", "b", "c"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\n"
        "def small(spec, width=4):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(spec.size, width),\n"
        "                         nn.ReLU(), nn.Linear(width, spec.outputs))\n"
        "def fixed():\n"
        "    return nn.Linear(2, 2)\n"
        "def broken():\n"
        "    raise KeyError('gone')\n"
        "def number():\n"
        "    return 5\n"
    )
    yield tmp_path
    sys.modules.pop("my_networks", None)


def test_a_function_of_the_users_own(folder):
    module = build("my_networks:small", COLOUR, {"width": 7})
    assert module(torch.randn(2, 3, 32, 32)).shape == (2, 3)
    assert module[1].out_features == 7
    assert module.options == {"width": 7}
    assert isinstance(build("my_networks:fixed", COLOUR), nn.Linear)
    assert isinstance(full_size("my_networks:fixed"), nn.Linear)


def test_what_can_go_wrong_has_one_message_each(folder):
    with pytest.raises(UsageError, match="cannot be imported") as error:
        build("no_such_module:net", COLOUR)
    assert "package.module:factory" in error.value.message()
    with pytest.raises(UnknownNameError, match="did you mean 'small'"):
        build("my_networks:smal", COLOUR)
    with pytest.raises(ValueRefusedError, match=r"cannot be built \(KeyError: 'gone'\)"):
        build("my_networks:broken", COLOUR)
    with pytest.raises(ValueRefusedError, match="cannot be built"):
        build("my_networks:small", COLOUR, {"depth": 3})
    with pytest.raises(UsageError, match=r"something else than a torch\.nn\.Module: 'int'"):
        build("my_networks:number", COLOUR)
    (folder / "half.py").write_text("import torch\n1 / 0\n")
    with pytest.raises(UsageError, match=r"importing the module failed \(ZeroDivisionError"):
        build("half:net", COLOUR)


def test_names_that_run_code():
    assert external.runs_code("my_networks:small")
    assert not external.runs_code("timm:resnet18")
    assert not external.runs_code("torchvision:resnet18")
    assert not external.runs_code("lenet")


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_not_installed(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=f"{library} is not installed") as error:
        build(f"{library}:resnet18", COLOUR)
    assert "pip install 'gradatim[zoo]'" in error.value.message()


@pytest.fixture
def stand_ins(monkeypatch):
    """Modules with the functions of torchvision and timm that are called."""

    class Net(nn.Module):
        def __init__(self, num_classes=1000, in_chans=3, **rest):
            super().__init__()
            self.given = {"num_classes": num_classes, "in_chans": in_chans, **rest}

    def get_model(name, weights, **options):
        assert weights is None
        return Net(**options)

    def create_model(name, pretrained, **options):
        assert pretrained is False
        net = Net(**options)
        net.pretrained_cfg = {"input_size": (3, 240, 240)}
        return net

    vision, models, timm = (types.ModuleType(n) for n in ("torchvision", "m", "timm"))
    for_classes = ["resnet18", "googlenet"]
    models.list_models = lambda module=None: [*for_classes, *([] if module else ["detector"])]
    models.get_model = get_model
    builders = {"detector": lambda weights, weights_backbone="fetched": None}
    models.get_model_builder = lambda name: builders.get(name, Net)
    vision.models = models
    timm.list_models = lambda: ["vit_tiny", "resnet18"]
    timm.create_model = create_model
    for name, module in {"torchvision": vision, "torchvision.models": models, "timm": timm}.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("stand_ins")
def test_models_of_libraries_are_fitted_to_the_data():
    module = build("torchvision:resnet18", COLOUR)
    assert module.given == {"num_classes": 3, "in_chans": 3}
    assert build("torchvision:googlenet", COLOUR).given["aux_logits"] is False
    assert build("timm:vit_tiny", GREY, {"depth": 2}).given == {
        "num_classes": 3,
        "in_chans": 1,
        "depth": 2,
    }
    assert build("timm:resnet18.a1_in1k", COLOUR).given["num_classes"] == 3
    assert full_size("timm:vit_tiny").full_input == (3, 240, 240)
    assert full_size("torchvision:resnet18").given["num_classes"] == 1000


@pytest.mark.usefixtures("stand_ins")
def test_detectors_are_explained_without_fetched_weights_and_not_fitted():
    assert full_size("torchvision:detector").given["weights_backbone"] is None
    with pytest.raises(UnknownNameError, match="torchvision has no model of this name: 'detector'"):
        build("torchvision:detector", COLOUR)


@pytest.mark.usefixtures("stand_ins")
def test_what_libraries_do_not_take():
    with pytest.raises(UnknownNameError, match="did you mean 'resnet18'"):
        build("torchvision:resnet19", COLOUR)
    with pytest.raises(UnknownNameError, match="timm has no model of this name: 'resnet19'"):
        build("timm:resnet19", COLOUR)
    with pytest.raises(ValueRefusedError, match=r"take colour images.*\n.*data\.channels=3"):
        build("torchvision:resnet18", GREY)
    with pytest.raises(ValueRefusedError, match="take images: 'vector for regression'"):
        build("timm:resnet18", Spec("regression", "vector", (3,)))


def test_models_of_torchvision_itself():
    pytest.importorskip("torchvision")
    module = build("torchvision:resnet18", COLOUR)
    assert module(torch.randn(2, 3, 32, 32)).shape == (2, 3)


def test_models_of_timm_itself():
    pytest.importorskip("timm")
    module = build("timm:resnet18", GREY)
    assert module(torch.randn(2, 1, 32, 32)).shape == (2, 3)
