"""What of a network is trained when, how fast, and that an interruption changes no bit of it."""

import signal

import pytest
import torch
from torch import nn

from gradatim.core.recipe import Recipe
from gradatim.core.record import Record
from gradatim.errors import ValueRefusedError
from gradatim.training import train
from gradatim.training.tuning import Tuning, frozen_blocks

from .conftest import Epochs, two_classes

LAYER = {"start.layer": "6", "start.method": "fine-tuning", "start.weights": "elsewhere"}


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2),
        )  # fmt: skip


def start(**values):
    keys = {f"start.{key}": value for key, value in values.items()}
    return Recipe().with_values({**LAYER, **keys})


def fit(model, *, epochs=4, folder=None, resume=False, batches=None, **values):
    return train(
        model,
        batches or Epochs(two_classes()),
        validation=two_classes(60, 30, seed=1),
        recipe=start(**values),
        epochs=epochs,
        loss="cross-entropy",
        learning_rate=0.01,
        folder=folder,
        resume=resume,
    )


def copies(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def changed(model, before):
    return {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])}


def test_frozen_blocks_keep_every_bit_statistics_included():
    for frozen, moved in (("1", {"6"}), ("0.5", {"4", "5", "6"}), ("0", {"0", "1", "4", "5", "6"})):
        model = network()
        before = copies(model)
        fit(model, frozen=frozen)
        assert {name.split(".")[0] for name in changed(model, before)} == moved
        assert all(p.requires_grad for p in model.parameters())  # given back


def test_batch_normalisation_may_keep_the_statistics_of_the_weights():
    statistics = {f"{layer}.{name}" for layer in (1, 5) for name in ("running_mean", "running_var")}
    scales = {f"{layer}.{name}" for layer in (1, 5) for name in ("weight", "bias")}
    for normalisation in ("kept", "adapted"):
        model = network()
        before = copies(model)
        fit(model, normalisation=normalisation)
        moved = changed(model, before)
        assert scales <= moved
        assert bool(statistics & moved) == (normalisation == "adapted")
        assert all(module.training for module in model.modules())  # given back


def test_only_the_output_layer_moves_in_the_first_share():
    model = network()
    before = copies(model)
    fit(model, head_share=1.0)
    assert {name.split(".")[0] for name in changed(model, before)} == {"6"}


def test_the_schedule_runs_twice_and_the_switch_is_at_the_share(tmp_path):
    model = network()
    fit(model, head_share=0.25, folder=tmp_path / "run", epochs=8)
    rates = [event["learning_rate"] for event in Record.read(tmp_path / "run").of("step")]
    total = len(rates)
    quarter = total // 4
    assert max(rates[:quarter]) > 0.009 > min(rates[quarter - 1 : quarter + 1])
    assert max(rates[quarter:]) > 0.009
    assert rates[-1] < 1e-4


def test_lower_blocks_learn_at_a_smaller_rate():
    tuning = Tuning(network(), start(lower_rate=0.01).start)
    scales = [group["scale"] for group in tuning.groups(0.1)]
    assert scales[0] == pytest.approx(0.01)
    assert scales[-1] == 1.0
    assert scales == sorted(scales)
    owned = [p for group in tuning.groups(0.1) for p in group["params"]]
    assert len(owned) == len({id(p) for p in owned}) == len(list(network().parameters()))
    decays = {
        p.ndim: group["weight_decay"] for group in tuning.groups(0.1) for p in group["params"]
    }
    assert decays == {2: 0.1, 1: 0.0}


def test_the_pull_is_the_gradient_of_its_penalty():
    model = network()
    tuning = Tuning(model, start(pull=0.5).start)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    began = network()
    penalty = sum(
        (p - q.detach()).square().sum()
        for (name, p), q in zip(model.named_parameters(), began.parameters(), strict=True)
        if not name.startswith("6")
    )
    wanted = torch.autograd.grad(
        0.25 * penalty, [p for n, p in model.named_parameters() if n[0] != "6"]
    )
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    tuning.pull()
    found = [p.grad for n, p in model.named_parameters() if n[0] != "6"]
    assert all(torch.allclose(a, b) for a, b in zip(found, wanted, strict=True))
    assert not model[6].weight.grad.any()
    # with a pull the body does not decay towards zero, the output layer does
    assert {group["weight_decay"] for group in tuning.groups(0.1)[:-2]} == {0.0}


def test_a_strong_pull_keeps_the_body_where_it_began():
    def distance(pull):
        model = network()
        before = copies(model)
        fit(model, pull=pull, lower_rate=1.0)
        return float((model[0].weight.detach() - before["0.weight"]).norm())

    assert distance(30.0) < 0.5 * distance(0.0)


class StopAt(Epochs):
    """Batches that send Ctrl-C when a certain one is fetched."""

    def __init__(self, at):
        super().__init__(two_classes())
        self.left = at

    def epoch(self, number, start=0):
        for batch in super().epoch(number, start):
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
            yield batch


@pytest.mark.parametrize("step", [1, 9, 10, 11, 12, 25, 39])
def test_interrupted_around_the_switch_ends_at_the_same_bits(step, tmp_path):
    choices = {"head_share": 0.25, "lower_rate": 0.1, "pull": 0.01, "frozen": "0.25"}
    whole = network()
    fit(whole, **choices)  # 40 steps; the switch is before the 11th
    parts, folder = network(), tmp_path / "run"
    stopped = fit(parts, folder=folder, batches=StopAt(step), **choices)
    assert (stopped.reason, stopped.step) == ("interrupted", step)
    again = network()
    assert fit(again, folder=folder, resume=True, **choices).reason == "finished"
    assert not changed(again, copies(whole))


def test_a_share_or_a_name_says_what_stays():
    names = ["conv1", "layer1.0", "layer1.1", "layer2.0"]
    assert [frozen_blocks(names, f) for f in (None, "0", "0.5", "1", "conv1")] == [0, 0, 2, 4, 1]
    assert frozen_blocks(names, "layer1") == 3
    assert frozen_blocks(names, "layer1.0") == 2
    with pytest.raises(ValueRefusedError, match=r"did you mean 'layer1\.1'"):
        frozen_blocks(names, "layer1.9")
    with pytest.raises(ValueRefusedError, match="out of range"):
        frozen_blocks(names, "1.5")
    with pytest.raises(ValueRefusedError, match=r"start\.pull is out of range"):
        Tuning(network(), start(pull=-1).start)
