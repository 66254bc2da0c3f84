"""Where a training step goes, of every model that is trained by descent: one core, one batch.

    python benchmarks/speed/steps.py [NAME...] [--size 32] [--batch 32]

Images of ``size`` pixels (224 for networks that ask for more), series of 64 steps with 8 features, vectors
of 64. The step is Gradatim's own, with the precision and layout of its table. Shares are of the time by
PyTorch's profiler, which itself makes small operations dearer: ``Python`` is what lies between them.
"""

import argparse
import statistics
import time

import torch
from torch.nn import functional

from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec
from gradatim.experiments import defaults
from gradatim.models import MODELS, build
from gradatim.training import machine
from gradatim.training.defaults import resolve
from gradatim.training.learner import Learner

STEPS = 3
CLASSES = tuple("abcdefghij")
NOT_DESCENDED = {"majority", "knn", "perceptron", "ngram", "bag"}
SEQUENCES = {"rnn", "lstm", "gru"}
VECTORS = {"linear", "mlp"}
PRODUCTS = ("convolution", "mm", "bmm", "baddbmm", "linear", "lstm", "gru", "rnn", "mkldnn")
COPIES = ("copy", "fill", "zero", "empty", "clone", "contiguous", "cat", "to", "resize", "new")
COLUMNS = ("products", "other arithmetic", "update", "copies", "dispatch", "Python")


def column(name):
    """Return the column that an operation counts for."""
    if "Optimizer" in name or "_fused" in name or "_foreach" in name:
        return "update"
    if not name.startswith("aten::"):
        return "dispatch"
    plain = name.removeprefix("aten::").strip("_")
    if any(plain.startswith(word) or word in plain.split("_") for word in PRODUCTS):
        return "products"
    if any(plain.startswith(word) for word in COPIES):
        return "copies"
    return "dispatch" if name in VIEWS else "other arithmetic"


VIEWS = {
    f"aten::{name}"
    for name in (
        "t", "as_strided", "view", "permute", "transpose", "detach", "unbind", "select", "slice",
        "reshape", "_reshape_alias", "expand", "narrow", "squeeze", "unsqueeze", "flatten", "split",
        "result_type", "unsafe_split", "chunk", "alias", "_unsafe_view",
    )
}  # fmt: skip


def learner(name, size, batch):
    """Return a learner of the model, a batch for it and the side of its images."""
    if name in SEQUENCES:
        spec = Spec("classification", "sequence", (64, 8), CLASSES)
    elif name in VECTORS:
        spec = Spec("classification", "vector", (64,), CLASSES)
    else:
        spec = Spec("classification", "image", (3, size, size), CLASSES)
    model = build(name, spec)
    recipe = defaults.settle(Recipe(), spec, 45_000, name).with_values({"data.batch_size": batch})
    recipe = resolve(machine.resolve(recipe, model), model, "classification")
    place = machine.Place.of(recipe.machine, model)
    found = Learner(place.settle(model), functional.cross_entropy, recipe, place)
    return found, place.bring((torch.randn(batch, *spec.shape), torch.randint(0, 10, (batch,))))


def shares(name, size, batch):
    """Return precision, milliseconds of a step, and the share of each column."""
    found, data = learner(name, size, batch)
    with machine.at_work(found.place, 1):
        times = []
        for _ in range(2 + STEPS):
            began = time.perf_counter()
            found.step(*data, 1e-3)
            times.append(time.perf_counter() - began)
        with torch.profiler.profile() as profile:
            began = time.perf_counter()
            for _ in range(STEPS):
                found.step(*data, 1e-3)
            whole = time.perf_counter() - began
    spent = dict.fromkeys(COLUMNS, 0.0)
    for event in profile.key_averages():
        spent[column(event.key)] += event.self_cpu_time_total / 1e6
    spent["Python"] = max(whole - sum(spent.values()), 0.0)
    return found.place.precision, 1e3 * statistics.median(times[2:]), {
        key: value / whole for key, value in spent.items()
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| model | | ms | {' | '.join(COLUMNS)} |")
    print(f"|---|---|--:|{'--:|' * len(COLUMNS)}")
    for name in options.names or [name for name in MODELS if name not in NOT_DESCENDED]:
        try:
            precision, milliseconds, found = shares(name, options.size, options.batch)
        except Exception as error:  # such as images too small for it
            print(f"| {name} | {error} |")
            continue
        cells = " | ".join(f"{100 * found[key]:.0f}" for key in COLUMNS)
        print(f"| {name} | {precision} | {milliseconds:,.1f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
