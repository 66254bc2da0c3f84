"""What augmentation buys where samples are few: paired seeds, training beside test error.

    python benchmarks/augmentation.py SOURCE [SOURCE…] --out FOLDER

Each step changes one thing, with the same seeds and samples on both sides: flips; then shifts; then
cut-mix. A residual net of 20 layers with 8, 16 and 32 channels sees 50 samples a class. The gap is
training less test accuracy, both without augmentation.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import gradatim
from gradatim import stats
from gradatim.core.talk import Silence
from gradatim.training.machine import describe

SHARED = {
    "model.name": "resnet20",
    "model.width": 8,
    "data.samples_per_class": 50,
    "data.batch_size": 32,
    "data.validation_share": 0.01,  # of the training part; only the test part is told of
    "data.flip": 0.0,
    "data.crop": "none",
}
STEPS: tuple[tuple[str, str, list[Any], dict[str, Any]], ...] = (
    ("flips", "data.flip", [0.0, 0.5], {}),
    ("shifts, flips on both sides", "data.crop", ["none", "padded"], {"data.flip": 0.5}),
    (
        "cut-mix, flips and shifts on both sides",
        "data.cutmix",
        [0.0, 1.0],
        {"data.flip": 0.5, "data.crop": "padded"},
    ),
)


def step(
    source: str, number: int, epochs: int, seeds: int, out: Path, more: dict[str, Any]
) -> dict[str, Any]:
    """Compare one step; return test accuracies, gains and gaps."""
    words, key, values, settings = STEPS[number]
    found = gradatim.compare(
        source,
        over={key: values},
        seeds=seeds,
        on="test",
        epochs=epochs,
        settings=SHARED | settings | more,
        out=out,
        talk=Told(),
    )
    before, after = found.facts["values"]
    members = [
        [json.loads((out / f"members/{row:02d}-seed-{seed}/member.json").read_text())["train"]
         for seed in found.facts["seeds"]]
        for row in (1, 2)
    ]  # fmt: skip
    gaps = [
        [train - test for train, test in zip(trained, row["each"], strict=True)]
        for trained, row in zip(members, (before, after), strict=True)
    ]
    narrowed = stats.mean_interval([a - b for a, b in zip(gaps[0], gaps[1], strict=True)])
    return {"words": words, "before": before, "after": after, "gaps": gaps, "narrowed": narrowed}


class Told(Silence):
    """Prints what is said, nothing else."""

    def say(self, text: str) -> None:
        """Print one line."""
        print(text, flush=True)


def main() -> None:
    """Run all steps for each source and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--crop-padding", type=int, default=4)
    options = parser.parse_args()
    machine = describe()
    print(f"{date.today()}, {machine}")
    lines = []
    for source in options.sources:
        for number in options.steps:
            place = options.out / f"{Path(source).name}-{number}"
            padding = {"data.crop_padding": options.crop_padding}
            found = step(source, number, options.epochs, options.seeds, place, padding)
            gain = found["after"]["gain"]
            gaps = [100 * sum(gap) / len(gap) for gap in found["gaps"]]
            narrowed = found["narrowed"]
            lines.append(
                f"| {Path(source).name} | {found['words']} | {100 * found['before']['mean']:.1f} | "
                f"{100 * found['after']['mean']:.1f} | {100 * gain['difference']:+.1f} "
                f"({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}) | {gaps[0]:.1f} | "
                f"{gaps[1]:.1f} | {100 * narrowed.value:+.1f} ({100 * narrowed.low:+.1f} to "
                f"{100 * narrowed.high:+.1f}) |"
            )
            print(lines[-1], flush=True)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
