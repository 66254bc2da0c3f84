import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from gradatim.core.record import Record
from gradatim.core.spec import Spec
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError
from gradatim.training import train
from gradatim.training.randomness import FORWARD, mix


def test_the_readme_example():
    """A user's own module, a plain DataLoader."""
    torch.manual_seed(0)
    inputs = torch.randn(600, 2)
    targets = (inputs.norm(dim=1) > 1.2).long()
    training = DataLoader(TensorDataset(inputs[:500], targets[:500]), batch_size=50, shuffle=True)
    validation = DataLoader(TensorDataset(inputs[500:], targets[500:]), batch_size=100)
    model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))

    trained = train(model, training, validation=validation, epochs=30, learning_rate=0.01)

    assert trained.reason == "finished"
    assert (trained.epoch, trained.step) == (30, 300)
    assert trained.best["accuracy"] > 0.95
    answers = model(inputs[500:]).argmax(dim=1)
    assert (answers == targets[500:]).float().mean().item() == pytest.approx(
        trained.best["accuracy"]
    )


def test_the_loop_is_a_plain_loop(net, data):
    """Second witness: the same steps written out in plain PyTorch, to the bit."""
    batches, _ = data
    ours, plain = net(), net()
    trained = train(ours, batches, epochs=3, seed=5, optimiser="adamw", learning_rate=0.01)

    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in plain.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in plain.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        fused=True,
    )
    step, total, losses, right = 0, 3 * len(batches), [], 0
    for epoch in range(3):
        plain.train()
        losses, right = [], 0
        for inputs, targets in batches.epoch(epoch):
            progress = (step + 0.5) / total
            step += 1
            rate = 0.01 * (
                progress / 0.05
                if progress < 0.05
                else (1 + math.cos(math.pi * (progress - 0.05) / 0.95)) / 2
            )
            for group in optimiser.param_groups:
                group["lr"] = rate
            torch.manual_seed(mix(5, FORWARD, step))
            scores = plain(inputs)
            loss = functional.cross_entropy(scores, targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item() * len(inputs))
            right += (scores.argmax(dim=1) == targets).sum().item()
    for a, b in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    told = trained.epochs[-1]["train"]
    assert told["loss"] == pytest.approx(sum(losses) / 200)
    assert told["accuracy"] == right / 200


def test_l1_and_clipping_are_those_of_a_plain_step(batches_of):
    batches = batches_of()[:1]
    ours, plain = nn.Linear(4, 2), nn.Linear(4, 2)
    plain.load_state_dict(ours.state_dict())
    train(
        ours, batches, epochs=1, optimiser="sgd", schedule="constant", learning_rate=0.5,
        weight_decay=0, l1=0.3, clip=0.01,
    )  # fmt: skip
    inputs, targets = batches[0]
    loss = functional.cross_entropy(plain(inputs), targets) + 0.3 * plain.weight.abs().sum()
    loss.backward()
    norm = torch.cat([p.grad.flatten() for p in plain.parameters()]).norm()
    with torch.no_grad():
        for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
            assert torch.allclose(a, b - 0.5 * b.grad * 0.01 / norm, atol=1e-6)


def test_balanced_weights_come_from_the_batches(folder):
    inputs = torch.randn(40, 4)
    targets = torch.tensor([0] * 30 + [1] * 10)
    batches = [(inputs[i::4], targets[i::4]) for i in range(4)]
    counted, given, none = nn.Linear(4, 2), nn.Linear(4, 2), nn.Linear(4, 2)
    given.load_state_dict(counted.state_dict())
    none.load_state_dict(counted.state_dict())
    train(counted, batches, epochs=2, class_weights="balanced")
    train(given, batches, epochs=2, class_weights="balanced", class_counts=[30, 10])
    train(none, batches, epochs=2)
    assert torch.equal(counted.weight, given.weight)
    assert not torch.equal(counted.weight, none.weight)


def test_regression_in_the_unit_of_the_target(epochs_of):
    inputs = torch.randn(300, 3)
    raw = 40 + 10 * (inputs @ torch.tensor([1.0, -2.0, 0.5]))
    mean, std = raw.mean().item(), raw.std().item()
    targets = (raw - mean) / std
    batches = [(inputs[i : i + 30], targets[i : i + 30]) for i in range(0, 240, 30)]
    validation = [(inputs[240:], targets[240:])]
    model = nn.Linear(3, 1)
    trained = train(
        model, batches, validation=validation, epochs=30, learning_rate=0.05,
        unscale=(mean, std),
    )  # fmt: skip
    assert trained.recipe.training.loss == "squared-error"
    assert trained.best["r2"] > 0.99
    answers = mean + std * model(inputs[240:])[:, 0].detach()
    assert trained.best["mae"] == pytest.approx((answers - raw[240:]).abs().mean().item(), rel=1e-4)
    assert set(trained.epochs[-1]["train"]) == {"loss", "mae"}


def test_numpy_and_double_batches_are_taken():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(64, 5))
    batches = [(inputs[i : i + 16], inputs[i : i + 16].sum(axis=1)) for i in range(0, 64, 16)]
    trained = train(nn.Linear(5, 1), batches, epochs=2)
    assert trained.step == 8
    whole = [(inputs[:16], generator.integers(0, 2, 16).astype(np.int32))]
    assert train(nn.Linear(5, 2), whole, epochs=1).step == 1


def test_early_stopping_gives_the_best_weights_back(net, batches_of):
    validation = batches_of(60, 30, seed=1)
    noise = [(torch.randn(20, 4), torch.randint(0, 2, (20,))) for _ in range(3)]
    model = net()
    kept = {}

    class Keep:
        def begin(self, model, optimiser):
            self.model = model

        def step(self, step, loss, outputs, targets):
            if step % 3 == 0:
                kept[step // 3] = {k: v.clone() for k, v in self.model.state_dict().items()}

        def end(self):
            pass

    trained = train(
        model, noise, validation=validation, epochs=200, early_stopping=4, learning_rate=0.05,
        schedule="constant", watch=Keep(),
    )  # fmt: skip
    assert trained.reason == "early-stopping"
    assert trained.epoch == trained.best_epoch + 4 < 200
    best = kept[trained.best_epoch]
    assert all(torch.equal(value, best[name]) for name, value in model.state_dict().items())
    accuracies = [event["validation"]["accuracy"] for event in trained.epochs]
    assert max(accuracies) == trained.best["accuracy"] == accuracies[trained.best_epoch - 1]
    assert [event["best"] for event in trained.epochs][-4:] == [False] * 4


def test_the_average_is_measured_and_shipped(net, data):
    batches, validation = data
    settings = {"epochs": 4, "averaging": "ema", "averaging_decay": 0.9}
    model, raw, unvalidated = net(), net(), net()
    trained = train(model, batches, validation=validation, **settings)
    train(raw, batches, epochs=4)
    train(unvalidated, batches, **settings)
    inputs, targets = (torch.cat(parts) for parts in zip(*validation, strict=True))
    with torch.no_grad():
        accuracy = (model.eval()(inputs).argmax(dim=1) == targets).float().mean().item()
    assert accuracy == pytest.approx(trained.best["accuracy"])
    assert not torch.equal(unvalidated[0].weight, raw[0].weight)
    assert torch.equal(unvalidated[1].running_mean, raw[1].running_mean), "buffers as trained"
    if trained.best_epoch == 4:
        assert torch.equal(model[0].weight, unvalidated[0].weight)


def test_a_loss_that_is_not_finite_ends_the_run(net, data, folder):
    batches, validation = data

    from gradatim.core.talk import Silence

    class Talk(Silence):
        def __init__(self):
            self.warned = []

        def warn(self, text):
            self.warned.append(text)

    calls = 0

    def loss(outputs, targets):
        nonlocal calls
        calls += outputs.requires_grad
        value = functional.cross_entropy(outputs, targets)
        return value * math.nan if calls == 14 and outputs.requires_grad else value

    talk, model = Talk(), net()
    trained = train(
        model, batches, validation=validation, epochs=5, loss=loss, folder=folder, talk=talk
    )
    assert (trained.reason, trained.step, trained.best_epoch) == ("non-finite", 14, 1)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    record = Record.read(folder)
    assert [event["step"] for event in record.of("step")] == list(range(1, 15))
    assert record.of("step")[-1]["loss"] == "nan"
    assert record.last("end")["reason"] == "non-finite"
    assert "lower training.learning_rate" in record.last("warning")["text"]
    assert talk.warned == [record.last("warning")["text"]]


def test_the_state_of_the_process_is_given_back(net, data):
    batches, validation = data
    torch.manual_seed(3)
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    model = net().eval()
    model[1].weight.requires_grad_(False)
    train(model, batches, validation=validation, epochs=2, threads=threads + 1)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_num_threads() == threads
    assert not any(module.training for module in model.modules())
    own = net().train()
    own[1].eval()
    before = own[1].running_mean.clone()
    train(own, batches, validation=validation, epochs=2)
    assert own.training and not own[1].training
    assert torch.equal(own[1].running_mean, before), "a frozen BatchNorm stays as it was"
    assert not torch.is_autocast_enabled("cpu")


def test_the_result_does_not_depend_on_the_random_numbers_before(net, data, same_weights):
    batches, _ = data
    loader = DataLoader(
        TensorDataset(*(torch.cat(parts) for parts in zip(*batches.all, strict=True))),
        batch_size=20, shuffle=True,
    )  # fmt: skip
    results = []
    for before in (1, 2):
        torch.manual_seed(before)
        model = net()
        train(model, loader, epochs=2, seed=9)
        results.append(model)
    assert same_weights(*results)
    other = net()
    train(other, loader, epochs=2, seed=10)
    assert not same_weights(other, results[0])


def test_the_record_tells_the_run(net, data, folder):
    batches, validation = data
    spec = Spec("classification", "vector", (4,), ("no", "yes"))
    trained = train(
        net(), batches, validation=validation, spec=spec, epochs=2, folder=folder / "made",
        class_counts=[50, 150], facts={"name": "given"},
    )  # fmt: skip
    folder = folder / "made"
    record = Record.read(folder)
    run = record.last("run")
    assert run["name"] == "given" and run["kind"] == "vector" and run["classes"] == ["no", "yes"]
    assert run["samples"]["train"] == 200 and run["total_steps"] == 20
    assert run["parameters"] == sum(p.numel() for p in net().parameters())
    assert run["baseline_loss"] == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    assert run["machine"]["device"] == "cpu" and run["machine"]["threads"] == 1
    epochs = record.of("epoch")
    assert [event["step"] for event in epochs] == [10, 20]
    assert epochs == trained.epochs
    assert {"loss", "accuracy"} == set(epochs[0]["train"]) == set(epochs[0]["validation"])
    assert record.events[-1]["event"] == "end"
    assert record.last("end")["best"] == trained.best
    rates = [event["learning_rate"] for event in record.of("step")]
    assert max(rates) < trained.recipe.training.learning_rate and min(rates) > 0


@pytest.mark.parametrize(
    ("loss", "expected"), [("hinge", 2.0), ("cross-entropy", math.log(3)), (None, math.log(3))]
)
def test_the_baseline_is_the_loss_of_equal_scores(loss, expected, folder):
    spec = Spec("classification", "vector", (4,), ("a", "b", "c"))
    model = nn.Linear(4, 3)
    nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    batches = [(torch.randn(9, 4), torch.arange(9) % 3)]
    train(model, batches, spec=spec, loss=loss, epochs=1, folder=folder)
    record = Record.read(folder)
    assert record.last("run")["baseline_loss"] == pytest.approx(expected)
    assert record.of("step")[0]["loss"] == pytest.approx(expected)


def test_the_watch_sees_every_step_and_the_end(net, data):
    batches, _ = data

    class Watch:
        def __init__(self):
            self.seen, self.ended = [], 0

        def begin(self, model, optimiser):
            assert isinstance(optimiser, torch.optim.AdamW)
            self.model = model

        def step(self, step, loss, outputs, targets):
            assert all(p.grad is not None for p in self.model.parameters())
            assert outputs.shape == (20, 2) and targets.shape == (20,)
            self.seen.append((step, loss.item()))

        def end(self):
            self.ended += 1

    watch, model, alone = Watch(), net(), net()
    train(model, batches, epochs=2, watch=watch)
    train(alone, batches, epochs=2)
    assert [step for step, _ in watch.seen] == list(range(1, 21)) and watch.ended == 1
    assert torch.equal(model[0].weight, alone[0].weight)


def test_the_bar_moves_to_its_end(net, data, fake_clock):
    from contextlib import contextmanager

    from gradatim.core.talk import Silence

    shown = []

    class Bar:
        def update(self, done, **facts):
            shown.append((done, facts))

    class Talk(Silence):
        @contextmanager
        def track(self, what, total, unit=""):
            shown.append((what, total, unit))
            yield Bar()

    batches, validation = data
    train(net(), batches, validation=validation, epochs=2, talk=Talk())
    assert shown[0] == ("training Sequential", 20, "step")
    assert shown[-1][0] == 20
    assert set(shown[-1][1]) == {"loss", "accuracy", "samples/s"}
    assert len(shown) == 3, "no clock, no updates but those of the epochs"


def test_shares_of_classes_are_learnt(net, data):
    batches, validation = data
    mixed = [
        (inputs, 0.7 * functional.one_hot(t, 2).float() + 0.3 * functional.one_hot(t.roll(1), 2))
        for inputs, t in batches.all
    ]
    trained = train(
        net(), mixed, validation=validation, epochs=2,
        spec=Spec("classification", "vector", (4,), ("no", "yes")),
    )  # fmt: skip
    assert 0 < trained.epochs[0]["train"]["accuracy"] < 1
    with pytest.raises(ValueRefusedError, match="one class per sample"):
        train(net(), mixed, loss="hinge", epochs=1)


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"optimizer": "adam"}, UnknownNameError, "did you mean 'optimiser'"),
        ({"optimiser": "adamm"}, UnknownNameError, "did you mean 'adam'"),
        ({"schedule": "cosin"}, UnknownNameError, "did you mean 'cosine'"),
        ({"loss": "cross-entropie"}, UnknownNameError, "did you mean 'cross-entropy'"),
        ({"loss": "squared-error", "epochs": 1}, ValueRefusedError, "do not fit the targets"),
        ({"learning_rate": 0}, ValueRefusedError, "allowed: (0, inf)"),
        ({"learning_rate": "fast"}, ValueRefusedError, "training.learning_rate takes a number"),
        ({"epochs": 0}, ValueRefusedError, "training.epochs is out of range"),
        ({"momentum": 1}, ValueRefusedError, "allowed: [0, 1)"),
        ({"budget": -3}, ValueRefusedError, "training.budget is out of range"),
        ({"label_smoothing": 0.1, "loss": "hinge"}, ValueRefusedError, "belongs to the loss"),
        ({"device": "gpu"}, ValueRefusedError, "this device cannot be used here"),
        ({"precision": "fp8"}, ValueRefusedError, "machine.precision does not take this value"),
    ],
)
def test_wrong_settings_are_told(settings, kind, words, net, data):
    with pytest.raises(kind) as refused:
        train(net(), data[0], **settings)
    assert words in str(refused.value)


def test_a_loss_that_does_not_suit_the_task_is_told(net, data):
    spec = Spec("classification", "vector", (4,), ("no", "yes"))
    with pytest.raises(ValueRefusedError, match="does not suit a classification"):
        train(net(), data[0], spec=spec, loss="squared-error")
    with pytest.raises(ValueRefusedError, match="class weights need"):
        train(net(outputs=1), [(torch.randn(4, 4), torch.randn(4))], class_weights="balanced")


def test_batches_that_cannot_be_used_are_told(net, data):
    batches, validation = data
    with pytest.raises(UsageError, match="have no length"):
        train(net(), (batch for batch in validation), epochs=1)
    with pytest.raises(UsageError, match="no batch"):
        train(net(), [], epochs=1)
    with pytest.raises(UsageError, match="not a pair"):
        train(net(), [torch.tensor(3.0)], epochs=1)
    with pytest.raises(ValueRefusedError, match="early stopping needs validation"):
        train(net(), batches, epochs=1, early_stopping=2)
    with pytest.raises(UsageError, match="only once"):
        train(net(), batches, validation=iter(validation), epochs=1)

    class Once:
        def __init__(self):
            self.source = iter(validation)

        def __len__(self):
            return 2

        def __iter__(self):
            return self.source

    with pytest.raises(UsageError, match="ended after 0 of 2 in epoch 2"):
        train(net(), Once(), epochs=2, loss="cross-entropy")
