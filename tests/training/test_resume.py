"""A killed run goes on and ends at the same bits, with every step in its Record exactly once."""

import multiprocessing
import os
import random
import signal
import sys
import threading
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import gradatim.training.run as training_run
from gradatim.core.record import Record
from gradatim.errors import CheckpointError, UsageError
from gradatim.training import train

from .conftest import Epochs, small_net, two_classes

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="starting torch anew for every kill takes too long"
)


def told(folder):
    """Return what a Record tells, without what depends on the clock and on kills."""
    record = Record.read(folder)
    clock = {"seconds", "samples_per_second"}
    return [
        {key: value for key, value in event.items() if key not in clock}
        for event in record.events
        if event["event"] in ("step", "epoch", "end")
    ]


class Noisy(Dataset):
    """Samples with noise that is drawn when they are fetched."""

    def __init__(self, values=False):
        self.inputs = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
        total = self.inputs.sum(dim=1)
        self.targets = total if values else (total > 0).long()

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        return self.inputs[index] + 0.1 * torch.randn(4), self.targets[index]


def with_epochs():
    return {
        "model": small_net(),
        "batches": Epochs(two_classes()),
        "validation": two_classes(60, 30, seed=1),
        "epochs": 60,
        "optimiser": "adamw",
        "averaging": "ema",
        "averaging_decay": 0.95,
        "label_smoothing": 0.1,
        "clip": 1.0,
        "l1": 1e-4,
    }


def with_a_data_loader():
    return {
        "model": small_net(outputs=1),
        "batches": DataLoader(Noisy(values=True), batch_size=25, shuffle=True),
        "validation": DataLoader(Noisy(values=True), batch_size=60),
        "epochs": 60,
        "optimiser": "nesterov",
        "schedule": "one-cycle",
        "learning_rate": 0.01,
        "early_stopping": 30,
    }


CASES = {"epochs": with_epochs, "data loader": with_a_data_loader}


def run(case, folder, **more):
    settings = CASES[case]()
    model = settings.pop("model")
    trained = train(model, settings.pop("batches"), folder=folder, **settings, **more)
    return model, trained


class KillLater:
    """A watch that kills its own process a while after the first step, whatever it is doing."""

    def __init__(self, seconds):
        self.timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
        self.timer.daemon = True

    def begin(self, model, optimiser):
        self.timer.start()

    def step(self, step, loss, outputs, targets):
        pass

    def end(self):
        pass


def in_child(case, folder, seconds):
    torch.set_num_threads(1)
    training_run.CHECKPOINT_SHARE = 0.3  # a third of all kills fall into the writing
    later = KillLater(seconds)
    if seconds < 0.02:  # while everything is being prepared
        later.timer.start()
        later.begin = lambda *_: None
    run(case, folder, resume=True, checkpoint_seconds=0.01, watch=later)


@needs_fork
@pytest.mark.parametrize("case", CASES)
def test_killed_at_random_instants(case, tmp_path, same_weights):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    expected, trained = run(case, whole)
    context = multiprocessing.get_context("fork")
    chance, kills = random.Random(f"kill {case}"), 0
    for _ in range(14):
        seconds = chance.choice([0.01, 0.03, 0.1]) * chance.random()
        child = context.Process(target=in_child, args=(case, killed, seconds))
        child.start()
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    run(case, killed, resume=True)
    before = (killed / "record.jsonl").read_bytes()
    model, resumed = run(case, killed, resume=True)
    assert (killed / "record.jsonl").read_bytes() == before, "a finished run is left alone"
    assert same_weights(model, expected)
    assert (resumed.best, resumed.best_epoch) == (trained.best, trained.best_epoch)
    steps = [event["step"] for event in Record.read(killed).of("step")]
    assert steps == list(range(1, trained.step + 1))
    assert told(killed) == told(whole)
    assert [event["epoch"] for event in resumed.epochs] == list(range(1, trained.epoch + 1))


class Stop(Exception):
    pass


class StopAt:
    def __init__(self, step):
        self.at = step

    def begin(self, model, optimiser):
        pass

    def step(self, step, loss, outputs, targets):
        if step == self.at:
            raise Stop

    def end(self):
        pass


def broken_off(batches, folder, step, **settings):
    model = small_net()
    with pytest.raises(Stop):
        train(model, batches, folder=folder, watch=StopAt(step), checkpoint_seconds=0, **settings)


@pytest.mark.parametrize("step", [1, 2, 9, 10, 11, 20, 29])
def test_broken_off_at_every_kind_of_step(step, folder, data, net, same_weights):
    """Before the first checkpoint, within an epoch, at its last and its first batch."""
    batches, validation = data
    settings = {"validation": validation, "epochs": 3}
    broken_off(batches, folder, step, **settings)
    resumed, whole = net(), net()
    train(resumed, batches, folder=folder, resume=True, **settings)
    train(whole, batches, **settings)
    assert same_weights(resumed, whole)
    steps = [event["step"] for event in Record.read(folder).of("step")]
    assert steps == list(range(1, 31))


@pytest.mark.parametrize("optimiser", ["sgd", "adagrad", "rmsprop", "adadelta", "adam"])
def test_every_optimiser_goes_on(optimiser, folder, data, net, same_weights):
    batches, _ = data
    settings = {"epochs": 3, "optimiser": optimiser, "weight_decay": 0.01}
    broken_off(batches, folder, 17, **settings)
    resumed, whole = net(), net()
    train(resumed, batches, folder=folder, resume=True, **settings)
    train(whole, batches, **settings)
    assert same_weights(resumed, whole)


@pytest.mark.parametrize(
    ("precision", "layout"), [("bf16", "channels-last"), ("fp32", "channels-last")]
)
def test_precision_and_layout_go_on(precision, layout, folder, same_weights, epochs_of):
    def convolutional():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
            torch.nn.Conv2d(8, 8, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
            torch.nn.Dropout(0.1), torch.nn.Linear(8, 2),
        )  # fmt: skip

    generator = torch.Generator().manual_seed(0)
    batches = epochs_of(
        [(torch.randn(8, 3, 9, 9, generator=generator), torch.arange(8) % 2) for _ in range(6)]
    )
    settings = {"epochs": 3, "precision": precision, "layout": layout, "optimiser": "momentum"}
    with pytest.raises(Stop):
        train(
            convolutional(), batches, folder=folder, watch=StopAt(11), checkpoint_seconds=0,
            **settings,
        )  # fmt: skip
    resumed, whole = convolutional(), convolutional()
    train(resumed, batches, folder=folder, resume=True, **settings)
    train(whole, batches, **settings)
    assert same_weights(resumed, whole)
    assert all(weight.is_contiguous() for weight in resumed.parameters())


def test_a_resumed_run_keeps_the_threads_it_began_with(folder, data, net):
    batches, _ = data
    broken_off(batches, folder, 15, epochs=2)
    torch.set_num_threads(2)
    trained = train(net(), batches, folder=folder, resume=True, epochs=2)
    assert trained.recipe.machine.threads == 1
    assert torch.get_num_threads() == 2


def test_another_recipe_is_refused(folder, data, net):
    batches, _ = data
    broken_off(batches, folder, 15, epochs=2, learning_rate=0.01)
    with pytest.raises(CheckpointError, match="other choices") as refused:
        train(net(), batches, folder=folder, resume=True, epochs=2, learning_rate=0.02)
    assert "training.learning_rate was 0.01, now 0.02" in str(refused.value)
    with pytest.raises(CheckpointError, match="batches in an epoch was 10, now 3"):
        train(
            net(), Epochs(batches.all[:3]), folder=folder, resume=True, epochs=2,
            learning_rate=0.01,
        )  # fmt: skip


def test_another_model_is_refused(folder, data, net):
    batches, _ = data
    broken_off(batches, folder, 15, epochs=2)
    with pytest.raises(CheckpointError, match="does not fit this model"):
        train(net(outputs=3), batches, folder=folder, resume=True, epochs=2)


def test_a_folder_with_a_run_is_not_overwritten(folder, data, net):
    batches, _ = data
    train(net(), batches, folder=folder, epochs=1)
    with pytest.raises(UsageError, match="already holds a run") as refused:
        train(net(), batches, folder=folder, epochs=1)
    assert "resume=True" in str(refused.value)


@needs_fork
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_between_two_steps(number, tmp_path, same_weights):
    """The first signal ends cleanly, with the best so far; the run can go on from there."""
    folder = tmp_path / "run"
    folder.mkdir()

    def child():
        torch.set_num_threads(1)
        settings = with_epochs()
        model = settings.pop("model")
        trained = train(model, settings.pop("batches"), folder=folder, **settings)
        sys.exit(7 if trained.reason == "interrupted" else 0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    give_up = time.monotonic() + 20
    while not (folder / "checkpoint").exists() and time.monotonic() < give_up:
        record = folder / "record.jsonl"
        if record.exists() and record.stat().st_size > 3000:
            break
        time.sleep(0.002)
    os.kill(process.pid, number)
    process.join(20)
    assert process.exitcode == 7
    end = Record.read(folder).last("end")
    assert end["reason"] == "interrupted" and end["step"] < 600
    steps = Record.read(folder).of("step")
    assert steps[-1]["step"] == end["step"]
    resumed, _ = run("epochs", folder, resume=True)
    whole, trained = run("epochs", None)
    assert same_weights(resumed, whole)
    steps = [event["step"] for event in Record.read(folder).of("step")]
    assert steps == list(range(1, trained.step + 1))
    assert len(Record.read(folder).of("end")) == 1
