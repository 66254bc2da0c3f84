"""One test over the whole table of models: what every row promises."""

import ast
import math
from pathlib import Path

import pytest
import torch
from torch import nn

import gradatim
from gradatim import models
from gradatim.core.registry import resolve
from gradatim.core.spec import Spec
from gradatim.errors import UnknownNameError, ValueRefusedError
from gradatim.models.network import Network
from gradatim.models.options import options_of
from gradatim.models.weights import load_weights, save_weights

ROOM = Path(models.__file__).parent
SHARED = {"__init__", "activations", "blocks", "external", "initialisation", "network", "options"}
SHARED |= {"continuing", "sequences", "weights", "head", "pretrained", "shared_classes", "pooling"}
SHARED |= {"convolution"}

NARROW = {
    "resnet": {"width": 4},
    "vgg": {"width": 4, "units": 16},
    "googlenet": {"width": 8},
    "alexnet": {"units": 32},
    "nin": {"channels": [16, 16, 16]},
}
"""Options under which the same layers are small enough to run many times."""

SPECS = {
    "digits": Spec("classification", "image", (1, 8, 8), tuple("0123456789")),
    "grey": Spec("classification", "image", (1, 28, 28), tuple("0123456789")),
    "colour": Spec("classification", "image", (3, 32, 32), tuple("abc")),
    "colour64": Spec("classification", "image", (3, 64, 64), ("yes", "no")),
    "large": Spec("classification", "image", (3, 224, 224), tuple("abcde")),
    "image-number": Spec("regression", "image", (3, 32, 32)),
    "row": Spec("classification", "vector", (13,), tuple("abc")),
    "row-number": Spec("regression", "vector", (10,)),
    "series": Spec("classification", "sequence", (12, 3), ("up", "down")),
    "series-number": Spec("regression", "sequence", (12, 3)),
    "text": Spec("classification", "text", (16,), ("yes", "no"), vocabulary=30),
    "next": Spec("next-token", "text", (16,), vocabulary=30),
}
SMALL = ("digits", "colour", "image-number", "row", "row-number")
SMALL += ("series", "series-number", "text", "next")
ONE_OF_EACH_KIND = ("digits", "row", "series", "text", "next")


def network(name: str) -> type[Network]:
    return resolve(models.MODELS, name, "model")


def narrow(name: str, spec: Spec) -> nn.Module:
    options = next((value for key, value in NARROW.items() if name.startswith(key)), {})
    return models.build(name, spec, options)


def suits(name: str, spec: Spec) -> bool:
    try:
        network(name).check_suits(spec)
    except ValueRefusedError:
        return False
    return True


def pairs(names: tuple[str, ...]) -> list:
    return [
        pytest.param(name, SPECS[spec], id=f"{name}-{spec}")
        for name in models.MODELS
        for spec in names
        if suits(name, SPECS[spec])
    ]


def sample(spec: Spec, count: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if spec.kind == "text":
        return torch.randint(1, spec.vocabulary, (count, *spec.shape), generator=generator)
    return torch.randn(count, *spec.shape, generator=generator)


def answer_shape(spec: Spec, count: int) -> tuple[int, ...]:
    steps = spec.shape[:1] if spec.task == "next-token" else ()
    return (count, *steps, spec.outputs)


def train_on(module: nn.Module, spec: Spec) -> None:
    """Give a solved model something to know."""
    if getattr(module, "solved", False) and spec.task == "next-token":
        tokens = sample(spec, 12)
        module.solve([(tokens, tokens.roll(-1, dims=1))])
    elif getattr(module, "solved", False):
        targets = torch.arange(12) % spec.outputs if spec.classes else torch.randn(12)
        module.solve([(sample(spec, 12), targets)])


def test_every_row_resolves_and_every_file_has_a_row():
    files = {path.stem for path in ROOM.glob("*.py")} - SHARED
    rows = {place.partition(":")[0].rpartition(".")[2] for place in models.MODELS.values()}
    assert files == rows
    for name in models.MODELS:
        assert issubclass(network(name), Network)


def test_every_row_says_what_it_is():
    for name in models.MODELS:
        first = (network(name).__doc__ or "").partition("\n")[0]
        assert first.endswith("."), name


@pytest.mark.parametrize(("name", "spec"), pairs(SMALL))
def test_forward_and_backward(name, spec):
    torch.manual_seed(0)
    module = narrow(name, spec)
    x = sample(spec)
    outputs = module(x)
    main = outputs[0] if isinstance(outputs, tuple) else outputs
    assert main.shape == answer_shape(spec, 2)
    assert main.dtype == torch.float32
    if not any(True for _ in module.parameters()):
        return
    everything = outputs if isinstance(outputs, tuple) else (outputs,)
    torch.stack([part.square().sum() for part in everything]).sum().backward()
    for key, parameter in module.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
    if name not in (
        "linear",
        "perceptron",
        "bag",
    ):  # they start at zero, where a square has no slope
        without = [k for k, p in module.named_parameters() if not p.grad.any()]
        assert not without


@pytest.mark.parametrize(("name", "spec"), pairs(("grey", "colour64", "large")))
def test_fitted_forms_on_meta(name, spec):
    with torch.device("meta"):
        module = models.build(name, spec).eval()
        outputs = module(torch.empty(2, *spec.shape))
    assert outputs.shape == (2, spec.outputs)


@pytest.mark.parametrize(("name", "spec"), pairs(ONE_OF_EACH_KIND))
def test_eval_is_deterministic_and_does_not_look_at_the_batch(name, spec):
    torch.manual_seed(0)
    module = narrow(name, spec).eval()
    train_on(module, spec)
    x = sample(spec, 3)
    with torch.inference_mode():
        first, again, alone = module(x), module(x), module(x[:1])
    assert torch.equal(first, again)
    assert torch.allclose(first[:1], alone, atol=1e-4)


@pytest.mark.parametrize(("name", "spec"), pairs(ONE_OF_EACH_KIND))
def test_saves_and_loads_equal(name, spec, tmp_path):
    module = narrow(name, spec).eval()
    train_on(module, spec)
    save_weights(module, tmp_path / "weights.safetensors")
    other = models.build(name, spec, module.options).eval()
    load_weights(other, tmp_path / "weights.safetensors")
    assert other.state_dict().keys() == module.state_dict().keys()
    for key, tensor in module.state_dict().items():
        assert torch.equal(other.state_dict()[key], tensor), key
    with torch.inference_mode():
        assert torch.equal(module(sample(spec)), other(sample(spec)))


@pytest.mark.parametrize("name", models.MODELS)
def test_options_are_resolved_and_strangers_refused(name):
    cls = network(name)
    spec = next(spec for spec in SPECS.values() if suits(name, spec))
    with torch.device("meta"):
        module = models.build(name, spec)
    known = options_of(cls)
    assert list(module.options) == list(known)
    assert all(module.options[key] == option.default for key, option in known.items())
    with pytest.raises(UnknownNameError, match="has no option of this name: 'no_such_option'"):
        models.build(name, spec, {"no_such_option": 1})


@pytest.mark.parametrize("name", models.MODELS)
def test_every_option_is_described(name):
    documentation = network(name).__doc__ or ""
    for base in network(name).__mro__[1:]:
        documentation += base.__doc__ or ""
    for option in options_of(network(name)):
        assert f"{option}:" in documentation or f"{option}," in documentation, option


@pytest.mark.parametrize("name", models.MODELS)
def test_full_size_counts_itself_twice(name):
    with torch.device("meta"):
        module = models.full_size(name)
    total = sum(parameter.numel() for parameter in module.parameters())
    second = 0
    for layer in module.modules():
        second += sum(math.prod(p.shape) for p in layer.parameters(recurse=False))
    assert total == second
    assert module.full_input == module.full_spec().shape
    assert isinstance(module, nn.Module)


def test_names_load_no_torch(tmp_path):
    import subprocess
    import sys

    code = "import sys, gradatim.models as m; m.MODELS; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_each_file_tells_what_it_is():
    for path in ROOM.glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path.name


def test_an_unknown_model_names_the_closest():
    with pytest.raises(UnknownNameError, match="did you mean 'lenet'"):
        models.build("lennet", SPECS["grey"])


def test_names_are_checked_before_anything_is_built():
    for name in (*models.MODELS, "torchvision:resnet18", "my.module:net"):
        models.check_name(name)
    for name in ("resnet19", "torchvision:", ":net", ""):
        with pytest.raises(UnknownNameError, match=r"no model of this name"):
            models.check_name(name)
        with pytest.raises(UnknownNameError, match=r"package\.module:factory"):
            models.full_size(name)


def test_data_that_do_not_suit_are_refused():
    with pytest.raises(ValueRefusedError, match="does not take this kind of sample: 'vector'"):
        models.build("lenet", SPECS["row"])
    small = Spec("classification", "image", (1, 6, 6), ("a", "b"))
    with pytest.raises(ValueRefusedError, match="at least 8 x 8 pixels"):
        models.build("lenet", small)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_option_is_told_with_its_default(name):
    told = gradatim.names(name)
    options = options_of(resolve(models.MODELS, name, "model"))
    assert list(told) == list(options)
    for option, text in told.items():
        meaning, _, default = text.rpartition(" (default ")
        assert meaning, f"{name}.{option} has no line under Options:"
        value = options[option].default
        plain = {"None": "auto", "True": "true", "False": "false"}.get(str(value), str(value))
        assert default == f"{plain})"
