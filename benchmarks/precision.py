"""Does bf16 train as well as fp32? Paired runs, of every kind of model for which bf16 is ever chosen.

    OMP_NUM_THREADS=1 python benchmarks/precision.py --cifar FOLDER --seeds 5
    python benchmarks/precision.py --cifar FOLDER --only recurrent

Both runs of a pair have the same seed, so the same split, first weights and order; only the
arithmetic differs. Shown is the mean difference of their test results with its 95 % interval by Student's t.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

import gradatim

KINDS = ("wide-dense", "wide-dense table", "small-convolutional", "deep-convolutional", "recurrent")


def cases(cifar):
    """Return kind -> (source, model, epochs, settings, sign of better)."""
    return {
        "wide-dense": (
            "fashion-mnist",
            "mlp",
            6,
            {"model.hidden": "[1024, 512]", "data.limit": 6000},
        ),
        "wide-dense table": (
            "TABLE",
            "mlp",
            6,
            {"data.batch_size": 1024, "training.learning_rate": 0.004},
        ),
        "small-convolutional": ("fashion-mnist", "lenet", 6, {"data.limit": 6000}),
        "deep-convolutional": (
            str(cifar),
            "resnet18",
            6,
            {"model.width": 16, "data.limit": 4000, "data.batch_size": 64},
        ),
        "recurrent": ("TEXT", "lstm", 8, {}),
    }


def table(folder):
    """Write 20,000 rows of ten clusters that overlap; return the file."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 10, 20_000)
    inputs = rng.normal(size=(10, 50))[targets] + rng.normal(scale=3, size=(20_000, 50))
    np.savez(Path(folder) / "table.npz", x=inputs.astype(np.float32), y=targets)
    return Path(folder) / "table.npz"


def text(folder):
    """Join the pages of the documentation; return the file."""
    pages = sorted((Path(__file__).parent.parent / "docs").rglob("*.md"))
    place = Path(folder) / "pages.txt"
    place.write_text("".join(page.read_text() for page in pages))
    return place


MADE = {"TABLE": table, "TEXT": text}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cifar", type=Path, help="folder of train/ and test/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=KINDS)
    options = parser.parse_args()
    print("| kind | data and model | metric | fp32 | bf16 | bf16 - fp32 (95 %) | seeds |")
    print("|---|---|---|--:|--:|--:|--:|")
    for kind, (source, model, epochs, settings) in cases(options.cifar).items():
        if options.only not in (None, kind):
            continue
        found = {"fp32": [], "bf16": []}
        for seed in range(options.seeds):
            for precision, results in found.items():
                with tempfile.TemporaryDirectory() as folder:
                    run = gradatim.fit(
                        MADE[source](folder) if source in MADE else source,
                        model=model,
                        epochs=epochs,
                        seed=seed,
                        precision=precision,
                        settings=settings,
                        out=Path(folder) / "run",
                    )
                results.append(run.test["value"])
                print(json.dumps([kind, seed, precision, run.test["value"]]), flush=True)
        differences = [b - a for a, b in zip(found["fp32"], found["bf16"], strict=True)]
        count = len(differences)
        mean = sum(differences) / count
        half = stats.t.ppf(0.975, count - 1) * stats.sem(differences) if count > 1 else float("nan")
        means = [sum(found[name]) / count for name in ("fp32", "bf16")]
        print(
            f"| {kind} | {model} on {Path(source).name.lower()} | {run.test['metric']} | {means[0]:.4f} "
            f"| {means[1]:.4f} | {mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f}) | {count} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
