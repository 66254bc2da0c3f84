"""What an image costs a pre-trained network: features, a training step, with and without its memory kept.

    PYTHONPATH=benchmarks python benchmarks/fine_tuning_speed.py

EfficientNet-Lite0 at 224 pixels, random images. Milliseconds an image, the median of a few passes; batch
normalisation in evaluation mode unless said. Run it on a quiet machine.
"""

import contextlib
import statistics
import time

import torch
from efficientnet_lite import lite0
from torch import nn

from gradatim.training import memory
from gradatim.training.machine import describe

WAYS = {
    "fp32": (False, False),
    "fp32, channels-last": (False, True),
    "bf16, channels-last": (True, True),
}
BATCHES = (16, 64)
FROZEN = (3, 5, 8, 11, 15)


def milliseconds(do, images, passes=4):
    """Return the median time of a pass over its images, after one that warms up."""
    do()
    times = []
    for _ in range(passes):
        began = time.perf_counter()
        do()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times) / images


def cost(way, batch, *, train, frozen=0, adapted=False):
    """Return the milliseconds an image takes in one way of computing."""
    bf16, channels_last = WAYS[way]
    model, images = lite0().train(adapted), torch.randn(batch, 3, 224, 224)
    if channels_last:
        model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    still = [model._conv_stem, model._bn0, *model._blocks[:frozen]] if frozen else []
    for module in still:
        module.requires_grad_(False)
    targets = torch.randint(0, 1000, (batch,))

    def passed():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            scores = model(images)
        if train:
            model.zero_grad()
            nn.functional.cross_entropy(scores.float(), targets).backward()

    with torch.inference_mode(not train):
        return milliseconds(passed, batch)


def main():
    """Measure and print a table."""
    print(describe())
    print("| way | memory | " + " | ".join(
        f"{what} by {batch}" for what in ("features", "step") for batch in BATCHES) + " |")  # fmt: skip
    for way in WAYS:
        for name, held in (("given back", contextlib.nullcontext), ("kept", memory.kept)):
            with held():
                row = [
                    cost(way, batch, train=train) for train in (False, True) for batch in BATCHES
                ]
            print(
                f"| {way} | {name} | " + " | ".join(f"{value:.1f}" for value in row) + " |",
                flush=True,
            )
    with memory.kept():
        for way in ("fp32, channels-last", "bf16, channels-last"):
            adapted = cost(way, 16, train=True, adapted=True)
            row = [f"{k}: {cost(way, 16, train=True, frozen=k):.1f}" for k in FROZEN]
            print(f"{way}: batch normalisation adapted {adapted:.1f}; blocks frozen, of 16: {row}")


if __name__ == "__main__":
    main()
