"""What watching costs: blocks of steps watched and unwatched by turns, on six models.

    python benchmarks/doctor/overhead.py [--pairs 40] [--seconds 240] [--only mlp,lenet]

The first steps, which are looked at without a gap, are made before the blocks begin. A pair of
blocks is as many steps watched and unwatched as lie between two steps looked at closely, in
processor time of the thread: (watched / unwatched) - 1, the median over the pairs, its bootstrap
interval, and the same in wall time; a slow model has as many pairs as fit its seconds. The first
steps are not let spend their whole allowance here, which would take a slow model minutes: all of
it is counted, as ``first``, and spread over a run of five minutes. The worst model counts.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from gradatim.core.record import RecordWriter
from gradatim.probes.pace import ALLOWANCE, FIRST_STEPS
from gradatim.probes.watcher import CLOSE, Watcher

LEAST_PAIRS = 3


class Last(nn.Module):
    """A recurrent network whose last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(60, 32), nn.LSTM(32, 64, batch_first=True)
        self.head = nn.Linear(64, 60)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embedding(x))[0][:, -1])


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip
        self.b = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.a(x) + self.b(x))


def resnet18() -> nn.Module:
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    blocks = [
        Block(widths[max(0, i - 1)], width, 2 if i in (2, 4, 6) else 1)
        for i, width in enumerate(widths)
    ]
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, 1, 1),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


def vgg() -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Embedding(60, 64), body, nn.Flatten(), nn.Linear(64 * 24, 60))


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], torch.Tensor], int]] = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)),
        lambda: torch.randn(32, 784),
        10,
    ),
    "lenet": (lenet, lambda: torch.randn(32, 1, 28, 28), 10),
    "vgg": (vgg, lambda: torch.randn(32, 3, 32, 32), 10),
    "char-lstm": (Last, lambda: torch.randint(0, 60, (32, 24)), 60),
    "transformer": (transformer, lambda: torch.randint(0, 60, (32, 24)), 60),
    "resnet18": (resnet18, lambda: torch.randn(16, 3, 32, 32), 10),
}


def step_of(name: str) -> Callable[[], None]:
    """Return a function that makes one training step."""
    torch.manual_seed(0)
    make, draw, classes = MODELS[name]
    model, inputs = make(), draw()
    labels = torch.randint(0, classes, (len(inputs),))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimiser.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optimiser.step()

    return step


def settle(watcher: Watcher, step: Callable[[], None]) -> None:
    """Make the first steps, then more until the interval fits what a close look costs."""
    for _ in range(FIRST_STEPS):
        step()
    watcher.pace.allowance = watcher.spent
    while watcher.pace.interval <= FIRST_STEPS or watcher.level != CLOSE:
        step()


def block(watcher: Watcher, step: Callable[[], None], flip: bool) -> tuple[list[float], float]:
    """Return processor seconds of one interval unwatched and watched, and wall time's ratio.

    Both take turns in sixteen parts, so that what else the machine does meets both alike.
    """
    interval = watcher.pace.interval
    part = max(1, interval // 16)
    used, passed = [0.0, 0.0], [0.0, 0.0]
    for _ in range(interval // part):
        for watched in (flip, not flip):
            if watched:
                watcher.resume()
            began, wall = time.thread_time(), time.perf_counter()
            for _ in range(part):
                step()
            used[watched] += time.thread_time() - began
            passed[watched] += time.perf_counter() - wall
            if watched:
                watcher.pause()
    return used, passed[1] / passed[0] - 1


def interval_of(values: list[float], draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the median."""
    draw = random.Random(0)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(draws))
    return medians[draws // 40], medians[-draws // 40 - 1]


@dataclass
class Figures:
    """What watching one model cost."""

    steady: list[float]
    wall: list[float]
    step: float
    interval: int
    first: float
    size: int

    def __str__(self) -> str:
        low, high = interval_of(self.steady)
        return (
            f"{1e3 * self.step:8.3f} ms | {self.interval:5} | {100 * median(self.steady):5.2f} % "
            f"({100 * low:.2f} to {100 * high:.2f}) | {100 * median(self.wall):5.2f} % "
            f"| {self.first:4.2f} s | {100 * self.whole(300):.2f} % "
            f"| {len(self.steady)} | {self.size / 1024:.0f}"
        )

    def whole(self, seconds: float) -> float:
        """Return the share over a run of so many seconds, the first steps included."""
        return median(self.steady) + self.first / seconds


def measure(name: str, pairs: int, seconds: float) -> Figures:
    """Return what watching a model costs once the first steps are behind it."""
    step = step_of(name)
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.jsonl"
        watcher = Watcher(RecordWriter(record), whole=True)
        watcher.start()
        settle(watcher, step)
        first = max(ALLOWANCE, watcher.pace.allowance)
        watcher.pause()
        steady, wall, plain = [], [], []
        interval = watcher.pace.interval
        ends = time.monotonic() + seconds
        for pair in range(pairs):
            if pair >= LEAST_PAIRS and time.monotonic() > ends:
                break
            used, ratio = block(watcher, step, pair % 2 == 1)
            steady.append(used[1] / used[0] - 1)
            wall.append(ratio)
            plain.append(used[0] / interval)
        watcher.active = True
        watcher.stop()
        return Figures(steady, wall, median(plain), interval, first, record.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=240, help="for the pairs of one model")
    parser.add_argument("--only", default="", help="models, with commas between")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("model | step | every | steady, processor time | wall | first | 5 minutes | pairs | kB")
    worst = 0.0
    for name in given.only.split(",") if given.only else MODELS:
        figures = measure(name, given.pairs, given.seconds)
        worst = max(worst, figures.whole(300))
        print(f"{name} | {figures}", flush=True)
    print(f"worst over 5 minutes: {100 * worst:.2f} %")


if __name__ == "__main__":
    main()
