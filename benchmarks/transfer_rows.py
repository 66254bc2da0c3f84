"""Rows of shared classes: a net of five CIFAR-10 classes is used again for all ten.

    OMP_NUM_THREADS=1 python benchmarks/transfer_rows.py cifar10/ --out results.json

A small ResNet-20 learns five classes. Then it is fine-tuned on a few photos of each of the ten: as
``fit --from`` does it by default, where the output layer is fitted on the features and pulled towards
the rows of the five classes; fitted without these rows; with the rows only copied, the others fresh;
and with an output layer that is fresh altogether. Same photos, same order, five draws of each. The
gains are the paired differences of the test accuracies.
"""

import argparse
import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from gradatim.core.recipe import Recipe
from gradatim.core.talk import SILENCE
from gradatim.data import prepare
from gradatim.experiments import fitting, starting
from gradatim.package import save
from gradatim.stats import mean_interval

OLD = ("airplane", "automobile", "bird", "cat", "deer")
WAYS = {
    "rows by name, fitted": {"start.head": "features", "start.rows": "names"},
    "fitted without rows": {"start.head": "features", "start.rows": "none"},
    "rows by name, copied": {"start.head": "rows", "start.rows": "names"},
    "fresh output layer": {"start.head": "fresh", "start.rows": "none"},
}
PAIRS = ((0, 3), (0, 1), (2, 3))


def photos(folder, part, classes, first, each):
    """Return so many photos of each class, ``N x 32 x 32 x 3``, and their names."""
    x, y = [], []
    for name in classes:
        for path in sorted((folder / part / name).iterdir())[first : first + each]:
            x.append(np.asarray(Image.open(path).convert("RGB")))
            y.append(name)
    return np.stack(x), np.array(y)


def write(path, folder, classes, first, each, tested):
    """Write a data set: photos of the training part, a validation part and a test part."""
    parts = {
        "train": photos(folder, "train", classes, first, each),
        "val": photos(folder, "test", classes, 0, 20),
        "test": photos(folder, "test", classes, 20, tested),
    }
    arrays = {f"x_{part}": x for part, (x, _) in parts.items()}
    np.savez(path, **arrays, **{f"y_{part}": y for part, (_, y) in parts.items()})


def fitted(recipe, place):
    """Fit a recipe; return the model, the data and the test accuracy."""
    if recipe.start.weights is not None:
        recipe = starting.settle(recipe, SILENCE)
    prepared, recipe = prepare(recipe)
    found = fitting.fit_model(prepared, recipe, place, SILENCE, seconds=None)
    test = fitting.measure_on(prepared, found.recipe, found.model, "test")
    return found, prepared, test


def folder(given):
    """Return a context with the folder that weights and data are kept in."""
    if given.work is None:
        return tempfile.TemporaryDirectory()
    given.work.mkdir(parents=True, exist_ok=True)
    return contextlib.nullcontext(str(given.work))


def learnt(given, work, name, classes):
    """Fit a network on some classes, unless it is kept already; return its package."""
    package = work / f"{name}-{given.width}-{given.old}-{given.old_epochs}"
    if not package.exists():
        write(work / f"{name}.npz", given.folder, classes, 0, given.old, given.tested)
        keys = {"model.name": "resnet20", "model.width": given.width}
        keys |= {"training.epochs": given.old_epochs, "data.source": str(work / f"{name}.npz")}
        found, prepared, test = fitted(Recipe().with_values(keys), package.with_suffix(".run"))
        save(package, found.model, found.name, found.model.options, prepared.spec,
             prepared.preprocessing)  # fmt: skip
        print(f"{name}: {test.value.text()}", flush=True)
    return package


def asked(each, tested):
    """Return what the command line says; ``each`` tells of which classes 50 photos are taken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--old", type=int, default=1500, help="photos of each old class")
    parser.add_argument("--old-epochs", type=int, default=6)
    parser.add_argument("--each", type=int, default=50, help=each)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tested", type=int, default=tested, help="test photos of each class")
    parser.add_argument("--work", type=Path, help="keeps the old weights for the next call")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = asked("photos of each of the ten classes", tested=150)
    classes = sorted(path.name for path in (given.folder / "train").iterdir())
    with folder(given) as name:
        work = Path(name)
        package = learnt(given, work, "five", OLD)
        results = {way: [] for way in WAYS}
        for seed in range(given.seeds):
            source = work / f"new{seed}.npz"
            write(source, given.folder, classes, given.old + seed * given.each, given.each,
                  given.tested)  # fmt: skip
            for way, keys in WAYS.items():
                recipe = Recipe().with_values({
                    "seed": seed,
                    "data.source": str(source),
                    "start.weights": str(package),
                    "start.method": "fine-tuning",
                    "training.epochs": given.epochs,
                    **keys,
                })  # fmt: skip
                with tempfile.TemporaryDirectory() as place:
                    _, _, test = fitted(recipe, Path(place) / "run")
                results[way].append(float(test.correct.mean()))
                print(seed, way, f"{results[way][-1]:.3f}", flush=True)
    gains = {}
    for one, other in PAIRS:
        one, other = list(WAYS)[one], list(WAYS)[other]
        found = mean_interval(list(np.subtract(results[one], results[other])))
        gains[f"{one} - {other}"] = [found.value, found.low, found.high]
        print(f"{one} - {other}: {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})")
    if given.out is not None:
        kept = {"results": results, "gains": gains}
        kept["settings"] = {key: str(value) for key, value in vars(given).items()}
        given.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
