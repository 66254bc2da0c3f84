import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from gradatim.core.recipe import Recipe
from gradatim.errors import UsageError
from gradatim.training import OPTIMISERS, optimisers
from gradatim.training.checkpoint import optimiser_state, restore_optimiser
from gradatim.training.defaults import resolve


def recipe_of(name, **settings):
    values = {f"training.{key}": value for key, value in settings.items()}
    recipe = Recipe().with_values({"training.optimiser": name, **values})
    return resolve(recipe, net(), "classification").training


def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2)
        )


def descend(model, optimiser, steps, first=0):
    for step in range(first, first + steps):
        inputs = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        model(inputs).square().mean().backward()
        optimiser.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


THEIRS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.01),
    "momentum": lambda p: torch.optim.SGD(p, 0.01, momentum=0.8),
    "nesterov": lambda p: torch.optim.SGD(p, 0.01, momentum=0.8, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01, eps=1e-6),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.95, eps=1e-6, momentum=0.8),
    "adadelta": lambda p: torch.optim.Adadelta(p, 0.01, rho=0.95, eps=1e-6),
    "adam": lambda p: torch.optim.Adam(p, 0.01, betas=(0.85, 0.95), eps=1e-6),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, betas=(0.85, 0.95), eps=1e-6, weight_decay=0),
}


def test_every_optimiser_has_its_witness():
    assert set(THEIRS) == set(OPTIMISERS)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_are_those_of_torch(name):
    recipe = recipe_of(
        name, learning_rate=0.01, momentum=0.8, beta1=0.85, beta2=0.95, epsilon=1e-6,
        weight_decay=0,
    )  # fmt: skip
    ours, theirs = net(), net()
    a = descend(ours, optimisers.build(ours, recipe, "loop"), 10)
    b = descend(theirs, THEIRS[name](theirs.parameters()), 10)
    assert all(torch.allclose(x, y, atol=1e-6) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("form", ["fused", "foreach", "loop"])
def test_forms_agree_and_their_state_is_kept_to_the_bit(name, form):
    recipe = recipe_of(name)
    model = net().to(memory_format=torch.channels_last)
    optimiser = optimisers.build(model, recipe, form)
    descend(model, optimiser, 4)
    loop = net()
    reference = descend(loop, optimisers.build(loop, recipe, "loop"), 4)
    for ours, theirs in zip(model.parameters(), reference, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)

    plain, tensors = optimiser_state(optimiser)
    kept = {f"o.{key}": value.clone().contiguous() for key, value in tensors.items()}
    other = copy.deepcopy(model)
    restored = optimisers.build(other, recipe, form)
    restore_optimiser(restored, plain, kept, "o.")
    for one, two in zip(
        optimiser.state_dict()["state"].values(),
        restored.state_dict()["state"].values(),
        strict=True,
    ):
        for key, value in one.items():
            if isinstance(value, torch.Tensor):
                assert value.stride() == two[key].stride()
    a, b = descend(model, optimiser, 4, first=4), descend(other, restored, 4, first=4)
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_biases_and_norms_do_not_decay():
    model = net()
    optimiser = optimisers.build(model, recipe_of("adamw", weight_decay=0.3), "loop")
    decays = {
        id(parameter): group["weight_decay"]
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    by_name = {name: decays[id(parameter)] for name, parameter in model.named_parameters()}
    assert by_name == {
        "0.weight": 0.3, "1.weight": 0.0, "1.bias": 0.0,
        "3.weight": 0.3, "3.bias": 0.0,
    }  # fmt: skip


def test_frozen_parameters_are_left_out():
    model = net()
    model[0].requires_grad_(False)
    optimiser = optimisers.build(model, recipe_of("sgd"), "fused")
    given = {id(p) for group in optimiser.param_groups for p in group["params"]}
    assert id(model[0].weight) not in given and id(model[3].weight) in given


def test_a_model_without_weights_says_what_to_do():
    with pytest.raises(UsageError, match="no parameters") as refused:
        optimisers.build(nn.Flatten(), recipe_of("sgd"), "fused")
    assert "solve()" in str(refused.value)


def test_the_compiler_is_not_imported_by_steps_checkpoints_and_going_on(tmp_path):
    """It takes a second, in every run."""
    code = (
        "import sys, torch\n"
        "from gradatim.training import optimisers, train\n"
        "batches = [(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))] * 2\n"
        "for name in ('adamw', 'nesterov', 'rmsprop'):\n"
        "    train(torch.nn.Linear(2, 2), batches, folder=name, epochs=1, optimiser=name, clip=1.0,\n"
        "          checkpoint_seconds=0)\n"
        "weight = torch.zeros(2, requires_grad=True)\n"
        "light = optimisers.light(torch.optim.AdamW)([weight])\n"
        "light.load_state_dict(light.state_dict())\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_a_light_optimiser_is_the_class_with_its_hooks_and_its_bits():
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 6)) for _ in range(2)]
    light = optimisers.light(torch.optim.AdamW)([weights[0]], lr=0.1, fused=True)
    plain = torch.optim.AdamW([weights[1]], lr=0.1, fused=True)
    assert isinstance(light, torch.optim.AdamW)
    assert type(light).__name__ == "AdamW"
    steps = []
    light.register_step_post_hook(lambda *_: steps.append(1))
    for number in range(3):
        for weight in weights:
            weight.grad = torch.sin(weight.detach() + number)
        light.step()
        plain.step()
    assert torch.equal(*weights)
    assert len(steps) == 3
    assert light.state_dict()["state"][0].keys() == plain.state_dict()["state"][0].keys()
    light.zero_grad()
    assert weights[0].grad is None
