"""A model is compiled where the recipe says so, for whole batches."""

import pytest
import torch
from torch import nn

from gradatim.core.recipe import Recipe
from gradatim.errors import UsageError
from gradatim.training import train

COMPILED = Recipe().with_values({"machine.compile": True, "data.batch_size": 20})


@pytest.fixture
def compiler(monkeypatch):
    """In place of the real one, which takes half a minute: notes what it is called with."""
    seen = []

    def compiled(model, dynamic):
        assert dynamic is False
        return lambda inputs: seen.append(len(inputs)) or model(inputs)

    monkeypatch.setattr(torch, "compile", compiled)
    return seen


def test_whole_batches_go_through_the_compiled_model_and_the_rest_does_not(compiler, batches_of):
    batches = batches_of(50)  # 20, 20, 10
    nets = [nn.Linear(4, 2) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    train(nets[0], batches, recipe=COMPILED, epochs=2)
    assert compiler == [20] * 4
    train(nets[1], batches, recipe=COMPILED.with_values({"machine.compile": False}), epochs=2)
    assert compiler == [20] * 4
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_where_it_cannot_be_compiled_the_way_out_is_said(monkeypatch, batches_of):
    error = type("InvalidCxxCompiler", (RuntimeError,), {"__module__": "torch._inductor.exc"})

    def broken(inputs):
        raise error("No working C++ compiler found\nand more words")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    with pytest.raises(UsageError) as found:
        train(nn.Linear(4, 2), batches_of(20), recipe=COMPILED, epochs=1)
    assert "cannot be compiled here (No working C++ compiler found): 'Linear'" in str(found.value)
    assert "machine.compile=false" in str(found.value)


def test_errors_of_the_model_are_its_own(monkeypatch, batches_of):
    def broken(inputs):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    with pytest.raises(RuntimeError, match="shapes"):
        train(nn.Linear(4, 2), batches_of(20), recipe=COMPILED, epochs=1)
