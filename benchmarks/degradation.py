"""Degradation: does a deeper plain network do worse on its own training samples?

    OMP_NUM_THREADS=1 python benchmarks/degradation.py CIFAR10_FOLDER

The networks of section 4.2 of He et al. (2015) at their full width, with 56 and 20 layers, with and
without the skips; skips of option A have no parameters, so each pair has equally many. So that a run
takes less than a minute, samples, pixels and steps are fewer than in the paper: 2,000 training
samples of CIFAR-10, reduced to 16 x 16 pixels, and 12 passes with batches of 32, 756 steps; the
paper has 64,000 steps of 128. Momentum 0.9, weight decay 1e-4, shifts and flips as in the paper; the
largest rate is 0.05, a half of the paper's for a quarter of its batch, and falls along a cosine after
a warm-up of one pass. The training error is measured after training, on the training samples as
they are, in evaluation mode.
"""

from __future__ import annotations

import argparse
import json
import time

from gradatim.core.recipe import Recipe
from gradatim.data import prepare
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.dataset import Prepared
from gradatim.experiments.fitting import build, measure_on
from gradatim.training import train

NETWORKS = ("resnet56", "resnet20")


def run(
    prepared: Prepared, recipe: Recipe, name: str, residual: bool, seed: int
) -> dict[str, float]:
    """Train one network; return its error and loss on the training samples, and the test error."""
    recipe = recipe.with_values({"seed": seed, "model.name": name, "model.residual": residual})
    model = build(prepared, recipe)
    batches = Batches(
        prepared,
        "train",
        batch_size=int(recipe.data.batch_size or 32),
        seed=seed,
        augmentation=Augmentation.from_recipe(recipe.data),
        shuffle=True,
        layout="channels-last",
    )
    began = time.process_time()
    trained = train(model, batches, spec=prepared.spec, recipe=recipe)
    seconds = time.process_time() - began
    found = {
        part: measure_on(prepared, trained.recipe, trained.model, part).value.value
        for part in ("train", "test")
    }
    return {
        "training_error": 1 - found["train"],
        "test_error": 1 - found["test"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "processor_seconds": round(seconds),
    }


def main() -> None:
    """Run every network with every seed; one JSON line a run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", help="CIFAR-10: a folder of train/ and test/, or cifar10")
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--size", type=int, default=16, help="side of the pictures in pixels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--precision", default="bf16", choices=("fp32", "bf16"))
    chosen = parser.parse_args()
    values = {
        "data.source": chosen.source,
        "data.limit": chosen.samples,
        "data.size": chosen.size,
        "data.batch_size": 32,
        "data.flip": 0.5,
        "data.crop": "padded",
        "data.crop_padding": chosen.size // 8,
        "training.epochs": chosen.epochs,
        "training.optimiser": "momentum",
        "training.momentum": 0.9,
        "training.learning_rate": 0.05,
        "training.weight_decay": 1e-4,
        "training.schedule": "cosine",
        "training.warmup": 1 / chosen.epochs,
        "machine.precision": chosen.precision,
        "machine.layout": "channels-last",
        "machine.threads": 1,
    }
    prepared, recipe = prepare(Recipe().with_values(values))
    for name in NETWORKS:
        for seed in range(chosen.seeds):
            for residual in (False, True):
                found = run(prepared, recipe, name, residual, seed)
                line = {"network": name, "residual": residual, "seed": seed, **found}
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
