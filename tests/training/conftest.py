"""What the tests of training share: small nets, small data, the clock."""

import pytest
import torch
from torch import nn

from gradatim.training import clock


@pytest.fixture(autouse=True)
def one_thread():
    """The nets here are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def two_classes(samples=200, batch=20, seed=0):
    """Return batches of two classes that a small net tells apart."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 4, generator=generator)
    targets = (inputs[:, 0] + inputs[:, 1] * inputs[:, 2] > 0).long()
    return [(inputs[i : i + batch], targets[i : i + batch]) for i in range(0, samples, batch)]


def small_net(seed=0, outputs=2, dropout=0.2):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(4, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(16, outputs),
        )


class Epochs:
    """Batches with `epoch(number, start)`, in an order that is a function of the epoch."""

    def __init__(self, batches):
        self.all = batches
        self.samples = sum(len(batch[0]) for batch in batches)

    def __len__(self):
        return len(self.all)

    def epoch(self, number, start=0):
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(number))
        return (self.all[i] for i in order[start:].tolist())

    def __iter__(self):
        return self.epoch(0)


@pytest.fixture
def data():
    """Training and validation batches."""
    return Epochs(two_classes()), two_classes(60, 30, seed=1)


@pytest.fixture
def net():
    return small_net


@pytest.fixture
def epochs_of():
    return Epochs


@pytest.fixture
def batches_of():
    return two_classes


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "run"
    place.mkdir()
    return place


class FakeClock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


@pytest.fixture
def fake_clock(monkeypatch):
    fake = FakeClock()
    monkeypatch.setattr(clock, "now", fake)
    return fake


@pytest.fixture
def same_weights():
    def same(a, b):
        return all(
            torch.equal(x, y)
            for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
        )

    return same
