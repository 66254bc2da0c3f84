"""Run the known-good recipes and write them to recipes/ with what they reached.

    python benchmarks/recipes.py digits fashion-mnist-lenet

Each recipe is run with several seeds: the seed draws the split, the first weights and the order.
The file holds the recipe as it was asked for, so `gradatim fit --recipe FILE` does the same, and,
as comments, the test result of every seed with its interval, the date and the machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import gradatim
from gradatim.core.recipe import Recipe
from gradatim.training.machine import describe

# 5,000 of the 60,000 training images, so that a deep net takes less than a minute of one core.
SOME = {"data.source": "fashion-mnist", "data.limit": 5_000, "data.validation_share": 0.02}

RECIPES: dict[str, tuple[dict[str, Any], int, str]] = {
    "digits": (
        {"data.source": "digits", "training.budget": 75},
        5,
        "The demo: the ladder on 1,797 handwritten digits of 8 x 8 pixels.",
    ),
    "fashion-mnist-lenet": (
        {"data.source": "fashion-mnist", "model.name": "lenet", "training.epochs": 10},
        1,
        "LeNet on Fashion-MNIST, ten passes.",
    ),
    "fashion-mnist-nin": (
        {**SOME, "model.name": "nin", "model.channels": [32, 64, 128], "training.epochs": 4},
        1,
        "Network in network with a third of its channels, on 5,000 images of Fashion-MNIST.",
    ),
    "fashion-mnist-vgg11": (
        {**SOME, "model.name": "vgg11_bn", "model.width": 16, "training.epochs": 6},
        1,
        "VGG-11 with batch normalisation, a quarter of its width, on 5,000 images of "
        "Fashion-MNIST.",
    ),
    "fashion-mnist-alexnet": (
        {**SOME, "model.name": "alexnet", "model.units": 256, "training.epochs": 2},
        1,
        "AlexNet, fitted to small images, with 256 dense units, on 5,000 images of Fashion-MNIST.",
    ),
    "fashion-mnist-googlenet": (
        {**SOME, "model.name": "googlenet", "model.width": 16, "training.epochs": 3},
        1,
        "GoogLeNet with a quarter of its width, on 5,000 images of Fashion-MNIST.",
    ),
    "fashion-mnist-resnet18": (
        {**SOME, "model.name": "resnet18", "model.width": 16, "training.epochs": 4},
        1,
        "ResNet-18 with a quarter of its width, on 5,000 images of Fashion-MNIST.",
    ),
    "cifar10-5m": (
        {"data.source": "cifar10", "training.budget": 300},
        1,
        "The ladder on CIFAR-10 in five minutes.",
    ),
}  # fmt: skip


def run(name: str, folder: Path | None, source: str | None) -> str:
    """Run one recipe with its seeds; return the file's text."""
    values, seeds, words = RECIPES[name]
    asked = Recipe().with_values(values)
    lines, results = [f"# {words}", "#"], []
    for seed in range(seeds):
        recipe = asked.with_values({"seed": seed})
        if source is not None:
            recipe = recipe.with_values({"data.source": source})
        if folder is not None:
            recipe = recipe.with_values({"data.folder": str(folder)})
        began, worked = time.monotonic(), time.process_time()
        with tempfile.TemporaryDirectory() as place:
            result = gradatim.fit(recipe=recipe, out=Path(place) / "run")
        taken, worked = time.monotonic() - began, time.process_time() - worked
        assert result.test is not None
        test = result.test
        results.append(test["value"])
        lines.append(
            f"# seed {seed}: {result.model}, test {test['metric']} {test['value']:.4f} "
            f"(95 % interval {test['low']:.4f} to {test['high']:.4f}, "
            f"{test['samples']:,} samples), {taken:.0f} s in all, {worked:.0f} s of them at work"
        )
        print(lines[-1], flush=True)
    if seeds > 1:
        lines.append(
            f"# mean of {seeds} splits {statistics.mean(results):.4f}, least {min(results):.4f}"
        )
    machine = describe()
    lines.append(
        f"# {date.today().isoformat()}, gradatim {machine['gradatim']}, torch {machine['torch']}, "
        f"{machine['processor']}, {machine['cores']} cores"
    )
    return "\n".join(lines) + "\n\n" + asked.to_toml()


def main() -> None:
    """Run the recipes that are named, or all."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    options.add_argument("--data-dir", type=Path, help="where local copies of named sets are")
    options.add_argument("--source", help="another source in place of the recipe's")
    chosen = options.parse_args()
    place = Path(__file__).parents[1] / "recipes"
    place.mkdir(exist_ok=True)
    for name in chosen.names or RECIPES:
        (place / f"{name}.toml").write_text(run(name, chosen.data_dir, chosen.source))


if __name__ == "__main__":
    main()
