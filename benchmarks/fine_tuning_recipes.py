"""How to go on from weights: one setting after the other, each beside the recipe as it stands.

    PYTHONPATH=benchmarks python benchmarks/fine_tuning_recipes.py photos/ \
        --from efficientnet_lite:lite0 --size 128 --each 50 --epochs 6 --seeds 2 --out table.json

A few training photos of each class are drawn with the seed and learnt from; others of the training
part, which nothing was chosen by, are measured on. The test part is never looked at. Every way has the
same photos in the same order; its gain is the paired difference to the first way.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradatim.core.recipe import Recipe
from gradatim.core.talk import SILENCE
from gradatim.data import prepare
from gradatim.experiments import fitting, starting
from gradatim.stats import mean_interval

# What differs from the defaults; the first is the recipe the others are compared with.
WAYS = {
    "features": {"start.method": "features"},
    "as it stands": {},
    "rate 1e-4": {"training.learning_rate": 1e-4},
    "rate 3e-4": {"training.learning_rate": 3e-4},
    "rate 1e-3": {"training.learning_rate": 1e-3},
    "rate 3e-3": {"training.learning_rate": 3e-3},
    "one rate for all blocks": {"start.lower_rate": 1.0},
    "lower rate 0.3": {"start.lower_rate": 0.3},
    "lower rate 0.1": {"start.lower_rate": 0.1},
    "lower rate 0.01": {"start.lower_rate": 0.01},
    "normalisation kept": {"start.normalisation": "kept"},
    "normalisation adapted": {"start.normalisation": "adapted"},
    "fresh output layer": {"start.head": "fresh", "start.head_share": 0.0},
    "fresh output layer first": {"start.head": "fresh", "start.head_share": 0.15},
    "lower third frozen": {"start.frozen": "0.33"},
    "lower two thirds frozen": {"start.frozen": "0.67"},
    "pull 0.01": {"start.pull": 0.01},
    "no weight decay": {"training.weight_decay": 0.0},
    "no label smoothing": {"training.label_smoothing": 0.0},
    "averaged weights": {"training.averaging": "ema"},
    "no warm-up": {"training.warmup": 0.0},
    "constant rate": {"training.schedule": "constant"},
    "erasing": {"data.erasing": 0.25},
    "colour": {"data.jitter": 0.3},
    "mix-up": {"data.mixup": 0.2},
    "no augmentation": {"data.flip": 0.0, "data.crop": "none"},
    "crops of no larger photos": {"data.crop_from": "the size"},
    "batches of 16": {"data.batch_size": 16},
    "half as many epochs": {"epochs": 0.5},
    "twice as many epochs": {"epochs": 2.0},
}


def one(prepared, recipe, place):
    """Fit on the data; return accuracy and loss of the samples held out, and the seconds."""
    began = time.monotonic()
    found = fitting.fit_model(prepared, recipe, place, SILENCE, seconds=None)
    scores, targets = found.measured.evaluation.scores, found.measured.evaluation.targets
    loss = -np.log(np.maximum(scores[np.arange(len(targets)), targets], 1e-9)).mean()
    return float(found.measured.correct.mean()), float(loss), time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("--from", dest="weights", required=True)
    parser.add_argument("--size", type=int)
    parser.add_argument("--each", type=int, default=50, help="photos a class to learn from")
    parser.add_argument("--held-out", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--base", nargs="*", default=[], help="KEY=VALUE for every way")
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    base = dict(pair.split("=", 1) for pair in given.base)
    keys = {"data.source": given.source, "start.weights": given.weights, **base}
    if given.size:
        keys["data.size"] = given.size
    whole, settled = prepare(starting.settle(Recipe().with_values(keys), SILENCE))
    rows = {way: [] for way in given.ways}
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        order = np.random.default_rng(seed).permutation(whole.split.train)
        learnt = [
            order[whole.targets[order] == name][: given.each] for name in range(whole.spec.outputs)
        ]
        learnt = np.sort(np.concatenate(learnt))
        others = np.setdiff1d(order, learnt, assume_unique=True)[: given.held_out]
        rest = np.sort(others) if len(others) >= 100 else whole.split.validation
        prepared = replace(whole, split=replace(whole.split, train=learnt, validation=rest))
        for way in given.ways:
            values = dict(WAYS[way])
            epochs = max(1, round(given.epochs * values.pop("epochs", 1.0)))
            values = {
                "seed": seed,
                "start.method": "fine-tuning",
                "training.epochs": epochs,
            } | values
            if "data.crop_from" in values:
                values["data.crop_from"] = settled.data.size
            recipe = settled.with_values(values)
            with tempfile.TemporaryDirectory() as name:
                rows[way].append(one(prepared, recipe, Path(name)))
            right, loss, seconds = rows[way][-1]
            print(
                f"{seed} {way:26s} {100 * right:5.1f} % {loss:.3f} nats {seconds:5.0f} s",
                flush=True,
            )
    first = np.array(rows[given.ways[0]])[:, 0]
    for way, found in rows.items():
        values = np.array(found)
        gain = mean_interval(values[:, 0] - first) if len(found) > 1 else None
        told = (
            f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
            if gain
            else ""
        )
        print(f"| {way} | {100 * values[:, 0].mean():.1f} | {values[:, 1].mean():.3f} | {told} |")
    if given.out is not None:
        settings = {key: str(value) for key, value in vars(given).items()}
        given.out.write_text(json.dumps({"rows": rows, "settings": settings}, indent=1) + "\n")


if __name__ == "__main__":
    main()
