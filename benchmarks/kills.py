"""Kill `gradatim fit` at random instants, resume, and compare with an uninterrupted run.

    python benchmarks/kills.py --kills 50

The source is a folder of pictures with a cache of its own, so that decoding, cache writing,
training, checkpoints, package and report are all hit. A run killed before its folder exists is
started again (the cache must have survived); a run killed later is resumed, and killed again with
probability one half. At the end the weights must be those of the uninterrupted run, bit for bit,
and its Record must hold every step once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file
from sklearn.datasets import load_digits


def write_folder(folder: Path, samples: int) -> Path:
    """Write the embedded digits as pictures, in one folder a class."""
    data = load_digits()
    for number, (pixels, label) in enumerate(
        zip(data.images[:samples], data.target[:samples], strict=True)
    ):
        place = folder / f"class-{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(place / f"{number:04d}.png")
    return folder


class Trial:
    """One command with a cache and a run folder of its own."""

    def __init__(self, root: Path, source: Path, settings: list[str]) -> None:
        self.root = root
        self.out = root / "run"
        self.environment = {**os.environ, "GRADATIM_CACHE": str(root / "cache")}
        self.fit = [*_command(), "fit", str(source), "--out", str(self.out), *settings]
        self.resume = [*_command(), "resume", str(self.out)]
        root.mkdir(parents=True)

    def go(self, seconds: float | None) -> bool:
        """Start or resume; kill after so many seconds. Return whether the command ended itself."""
        command = self.resume if (self.out / "recipe.toml").exists() else self.fit
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _, error = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return False
        if process.returncode != 0:
            raise SystemExit(f"{command} ended with {process.returncode}: {error.decode()}")
        return True

    def faults(self, reference: Trial | None) -> list[str]:
        """Return what differs from the uninterrupted run."""
        found = []
        lines = (self.out / "record.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        total = next(event["total_steps"] for event in events if event["event"] == "run")
        steps = [event["step"] for event in events if event["event"] == "step"]
        if steps != list(range(1, total + 1)):
            found.append("the Record repeats or misses a step")
        for name in ("run", "end", "test", "done"):
            if sum(event["event"] == name for event in events) != 1:
                found.append(f"not exactly one event {name}")
        if reference is not None:
            one, other = (
                load_file(trial.out / "model/weights.safetensors") for trial in (self, reference)
            )
            same = one.keys() == other.keys() and all(
                one[key].tobytes() == other[key].tobytes() for key in one
            )
            if not same:
                found.append("the weights differ")
        left = [path for path in self.root.rglob("*.tmp") if "cache" not in path.parts]
        if left:
            found.append(f"temporary files are left: {left}")
        return found


def _command() -> list[str]:
    return [sys.executable, "-c", "from gradatim.cli import main; main()"]


def main() -> None:
    """Run the trials and print one line each."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--samples", type=int, default=1797)
    options.add_argument("--model", default="lenet")
    options.add_argument("--epochs", type=int, default=4)
    chosen = options.parse_args()
    draw = random.Random(chosen.seed)
    root = Path(tempfile.mkdtemp(prefix="gradatim-kills-"))
    settings = ["--model", chosen.model, "--epochs", str(chosen.epochs)]
    settings += ["--set", "training.checkpoint_seconds=0.2", "--set", "training.averaging=ema"]
    source = write_folder(root / "pictures", chosen.samples)
    reference = Trial(root / "reference", source, settings)
    began = time.monotonic()
    reference.go(None)
    length = time.monotonic() - began
    faults = {"reference": reference.faults(None)}
    kills, number = 0, 0
    before_folder = resumed = 0
    while kills < chosen.kills:
        number += 1
        trial = Trial(root / f"trial-{number}", source, settings)
        again = True
        while again and not trial.go(draw.uniform(0.0, length)):
            kills += 1
            if (trial.out / "recipe.toml").exists():
                resumed += 1
            else:
                before_folder += 1
            again = draw.random() < 0.5 and kills < chosen.kills
        trial.go(None)
        faults[f"trial {number}"] = trial.faults(reference)
        print(f"trial {number}: {kills} kills so far; {faults[f'trial {number}'] or 'equal'}")
        shutil.rmtree(trial.root)
    shutil.rmtree(root)
    wrong = {name: found for name, found in faults.items() if found}
    print(
        f"{kills} kills in {number} runs of {length:.1f} s: {resumed} hit a run folder and were "
        f"resumed, {before_folder} came before it; {number - len(wrong)} of {number} runs equal"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
