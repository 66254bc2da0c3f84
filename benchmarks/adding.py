"""The adding problem at T = 100: can a network carry two numbers over a hundred steps?

    OMP_NUM_THREADS=1 python benchmarks/adding.py

RNN and LSTM of about equal size (as many parameters), equal steps, four learning rates each; the
rate with the least validation error is taken, for three seeds. Guessing the mean has an error of
the target's deviation; a sequence counts as solved when the answer is off by less than 0.04
(Hochreiter and Schmidhuber 1997).
"""

import argparse
import json
import time

import numpy as np

from gradatim.core.recipe import Recipe
from gradatim.data import prepare
from gradatim.data.batches import Batches
from gradatim.data.sources.adding import SOLVED
from gradatim.experiments.fitting import build
from gradatim.training import evaluate, train

RATES = (0.0003, 0.001, 0.003, 0.01)
FORGET_BIAS = 4.0  # sigmoid(4) = 0.98: the cell forgets half in about 38 steps, not in 2
HIDDEN = {"rnn": 66, "lstm": 32}  # 4,620 and 4,641 weights


def run(prepared, name, rate, seed, steps, batch_size):
    """Train once; return the validation and test errors in the target's unit."""
    options = {"model.hidden": HIDDEN[name]}
    if name == "lstm":
        options["model.forget_bias"] = FORGET_BIAS
    recipe = Recipe().with_values({"seed": seed, "model.name": name, **options})
    model = build(prepared, recipe)
    batches = Batches(prepared, "train", batch_size=batch_size, seed=seed, shuffle=True)
    unscale = (prepared.preprocessing.target_mean, prepared.preprocessing.target_std)
    train(
        model,
        batches,
        spec=prepared.spec,
        seed=seed,
        optimiser="adam",
        learning_rate=rate,
        clip=1.0,
        schedule="cosine",
        plan=((0, 0.0), (steps, 1.0)),
        threads=1,
    )
    found = {}
    for part in ("validation", "test"):
        held = Batches(prepared, part, batch_size=500, shuffle=False)
        answers = evaluate(model, held, spec=prepared.spec, unscale=unscale)
        error = np.abs(answers.scores[:, 0] - answers.targets) * unscale[1]
        found[part] = {
            "rmse": float(np.sqrt((error**2).mean())),
            "solved": float((error < SOLVED).mean()),
        }
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return found | {"parameters": parameters}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="*", default=RATES)
    parser.add_argument("--models", nargs="*", default=list(HIDDEN))
    chosen = parser.parse_args()
    values = {"data.source": "adding", "data.length": chosen.length}
    prepared, _ = prepare(Recipe().with_values(values))
    print(f"baseline rmse {prepared.preprocessing.target_std:.4f}")
    for seed in range(chosen.seeds):
        for name in chosen.models:
            began, tried = time.perf_counter(), {}
            for rate in chosen.rates:
                tried[rate] = run(prepared, name, rate, seed, chosen.steps, chosen.batch_size)
                line = {"seed": seed, "model": name, "rate": rate, **tried[rate]}
                print(json.dumps(line), flush=True)
            best = min(tried, key=lambda rate: tried[rate]["validation"]["rmse"])
            test, seconds = tried[best]["test"], time.perf_counter() - began
            print(
                f"| {name} | {seed} | {best:g} | {test['rmse']:.4f} | {test['solved']:.1%} "
                f"| {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
