"""What watching costs: blocks of steps watched and unwatched by turns, on six models.

    python benchmarks/doctor/overhead.py [--pairs 20] [--seconds 0.5]

The first steps, which are looked at without a gap, are made before the blocks begin. The figure of
a model is the median over the pairs of (time watched / time unwatched) - 1; the worst model counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.nn import functional as F

from gradatim.core.record import RecordWriter
from gradatim.probes.pace import ALLOWANCE
from gradatim.probes.watcher import Watcher


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
        lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)),
        lambda: torch.randn(32, 64),
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


def measure(name: str, pairs: int, seconds: float) -> tuple[float, float, int]:
    """Return the overhead, the time of a step, and the interval at the end."""
    step = step_of(name)
    with tempfile.TemporaryDirectory() as folder:
        watcher = Watcher(RecordWriter(Path(folder) / "record.jsonl"))
        watcher.start()
        for _ in range(32):
            step()
        began = time.perf_counter()
        for _ in range(8):
            step()
        count = max(8, int(seconds / ((time.perf_counter() - began) / 8)))
        while watcher.spent < ALLOWANCE and watcher.pace.interval <= 8:
            step()
        for _ in range(count):
            step()
        watcher.pause()
        ratios, plain = [], 0.0
        for pair in range(pairs):
            times = [0.0, 0.0]
            for watched in (False, True) if pair % 2 else (True, False):
                if watched:
                    watcher.resume()
                began = time.perf_counter()
                for _ in range(count):
                    step()
                times[watched] = time.perf_counter() - began
                if watched:
                    watcher.pause()
            plain = times[0] / count
            ratios.append(times[1] / times[0] - 1)
        interval = watcher.pace.interval
        watcher.active = True
        watcher.stop()
    return median(ratios), plain, interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    worst = 0.0
    for name in filter(None, given.only.split(",")) if given.only else MODELS:
        overhead, plain, interval = measure(name, given.pairs, given.seconds)
        worst = max(worst, overhead)
        print(
            f"{name:12} {100 * overhead:6.2f} %  step {1e3 * plain:8.3f} ms  every {interval}",
            flush=True,
        )
    print(f"worst        {100 * worst:6.2f} %")


if __name__ == "__main__":
    main()
