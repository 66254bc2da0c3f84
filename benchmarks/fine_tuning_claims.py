"""What is said of fine-tuning, measured: where it holds, and by how much.

    OMP_NUM_THREADS=1 python benchmarks/fine_tuning_claims.py cifar10/ --out results.json

A small ResNet-20 learns five classes of CIFAR-10. From its weights, networks go on with a few photos of
each of the other five classes; all differences are paired over draws of these photos.

* Low layers are general: what stays as it is, from the input on, costs little at first and much later.
* Fine-tuning wants a smaller rate: the best rate from the weights beside the best from scratch.
* Fewer epochs: what the first passes reach, from the weights and from scratch.
* A richer source helps: weights of five classes beside weights of two of them.

Called again with the same ``--out`` it goes on with the next draw.

That augmentation narrows the gap between training and test is measured by ``augmentation.py``.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from transfer_rows import OLD, asked, fitted, folder, learnt, write

from gradatim.core.recipe import Recipe
from gradatim.stats import mean_interval

NEW = ("dog", "frog", "horse", "ship", "truck")
SHARES = ("0", "0.3", "0.6", "0.9")
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
EPOCHS = (2, 5, 20)
LATER = ("seeds", "work", "out")  # may differ where a call goes on
ADAM = {"training.optimiser": "adamw", "training.weight_decay": 0.05, "training.warmup": 0.1}


def ways():
    """Return what is run: label -> (weights, keys of the recipe)."""
    tuned = {"start.method": "fine-tuning", "start.rows": "none", **ADAM}
    scratch = {"start.method": "scratch", **ADAM}
    found = {("frozen", share): ("five", {**tuned, "start.frozen": share}) for share in SHARES}
    for rate in RATES:
        same = {"training.learning_rate": rate}
        one = {"start.lower_rate": 1.0, "start.head": "fresh"}  # as from scratch but for the body
        found["rate, fine-tuned", rate] = ("five", {**tuned, **one, **same})
        found["rate, from scratch", rate] = ("five", {**scratch, **same})
    for epochs in EPOCHS:
        same = {"training.epochs": epochs}
        found["epochs, fine-tuned", epochs] = ("five", {**tuned, **same})
        rate = {"training.learning_rate": 3e-3}
        found["epochs, from scratch", epochs] = ("five", {**scratch, **same, **rate})
    for name in ("two", "five"):
        found["source", name] = (name, tuned)
    return found


def main() -> None:
    """Measure and print."""
    given = asked("photos of each new class", tested=200)
    settings = {key: str(kept) for key, kept in vars(given).items() if key not in LATER}
    results = {f"{claim}: {value}": [] for claim, value in ways()}
    if given.out is not None and given.out.exists():
        kept = json.loads(given.out.read_text())
        if kept["settings"] != settings:
            raise SystemExit(f"{given.out} was measured with other settings: {kept['settings']}")
        results = kept["results"]
    with folder(given) as name:
        work = Path(name)
        weights = {
            "five": learnt(given, work, "five", OLD),
            "two": learnt(given, work, "two", OLD[:2]),
        }
        for seed in range(len(next(iter(results.values()))), given.seeds):
            data = work / f"claims{seed}.npz"
            write(data, given.folder, NEW, seed * given.each, given.each, given.tested)
            for (claim, value), (of, keys) in ways().items():
                values = {"seed": seed, "data.source": str(data), "training.epochs": given.epochs}
                values |= {"start.weights": str(weights[of]), **keys}
                with tempfile.TemporaryDirectory() as place:
                    _, _, test = fitted(Recipe().with_values(values), Path(place) / "run")
                results[f"{claim}: {value}"].append(float(test.correct.mean()))
            print(f"seed {seed} done", flush=True)
            if given.out is not None:
                kept = {"results": results, "settings": settings}
                given.out.write_text(json.dumps(kept, indent=1) + "\n")
    for way, found in results.items():
        print(f"| {way} | {told(found, sign=False)} |")
    for share in SHARES[1:]:
        gains = np.subtract(results[f"frozen: {share}"], results["frozen: 0"])
        print(f"{share} of the blocks frozen, beside none: {told(gains)}")
    print(f"source of five classes beside two: "
          f"{told(np.subtract(results['source: five'], results['source: two']))}")  # fmt: skip


def told(values, *, sign=True):
    """Return a mean with its interval, in points."""
    gain = mean_interval(list(values))
    found = [100 * value for value in (gain.value, gain.low, gain.high)]
    form = "{:+.1f} ({:+.1f} to {:+.1f})" if sign else "{:.1f} ({:.1f} to {:.1f})"
    return form.format(*found)


if __name__ == "__main__":
    main()
