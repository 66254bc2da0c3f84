"""Measure the choices of ``gradatim.training.machine`` and print its table.

    python benchmarks/machine.py                    every capability this processor can play
    python benchmarks/machine.py --one amx          this capability only, in this process

Step times of fp32 and bf16, contiguous and channels-last, of one net of each kind, interleaved, on
one thread in processor time; the least of all rounds counts. So other work hardly matters. Lesser
capabilities are played by telling oneDNN, MKL and ATen to use no more than them. Beside the times,
how the optimiser's update is carried out: fused, foreach or loop.
"""

import argparse
import json
import os
import subprocess
import sys
import time

ROUNDS_SECONDS = 10.0  # of each net
LIMITS = {
    "amx": {},
    "avx512-bf16-amd": {},
    "avx512-bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    "other": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
}
PLAYED = {  # on a processor of this capability
    "amx": ["amx", "avx512-bf16", "other"],
    "avx512-bf16-amd": ["avx512-bf16-amd", "other"],
    "avx512-bf16": ["avx512-bf16", "other"],
    "other": ["other"],
}
CHOICES = [(p, x) for p in ("fp32", "bf16") for x in ("contiguous", "channels-last")]
UPDATES = ["fused", "foreach", "loop"]


def nets():
    """Return a net of every kind, with the shape of its batch."""
    import torch
    from torch import nn

    from gradatim.core.spec import Spec
    from gradatim.models import build

    classes = tuple("abcdefghij")
    image = Spec("classification", "image", (3, 32, 32), classes)
    vector = Spec("classification", "vector", (64,), classes)

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(32, 128, 2, batch_first=True)
            self.output = nn.Linear(128, 10)

        def forward(self, x):
            return self.output(self.lstm(x)[0][:, -1])

    return {
        "dense": (lambda: build("mlp", vector), (128, 64)),
        "wide-dense": (
            lambda: nn.Sequential(nn.Linear(3072, 1024), nn.ReLU(),
                                  nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)),
            (128, 3072),
        ),
        "small-convolutional": (lambda: build("lenet", image), (128, 3, 32, 32)),
        "deep-convolutional": (lambda: build("resnet18", image), (64, 3, 32, 32)),
        "recurrent": (Last, (64, 64, 32)),
    }, torch  # fmt: skip


def measure(able):
    """Return the least milliseconds of a step: {kind: {choice: ms}}, {kind: {update: ms}}."""
    from functools import partial

    from torch.nn import functional

    from gradatim.core.recipe import Recipe
    from gradatim.training import machine
    from gradatim.training.defaults import resolve
    from gradatim.training.learner import Learner

    made, torch = nets()
    torch.set_num_threads(1)
    results = {}
    for kind, (make, shape) in made.items():
        inputs, targets = torch.randn(shape), torch.randint(0, 10, shape[:1])
        runs = {}
        for precision, layout in CHOICES:
            if layout == "channels-last" and not kind.endswith("convolutional"):
                continue
            for update in UPDATES if (precision, layout) == CHOICES[0] else ["fused"]:
                values = {"precision": precision, "layout": layout, "update": update}
                recipe = Recipe().with_values({f"machine.{k}": v for k, v in values.items()})
                model = make()
                assert machine.kind_of(model) == kind, (kind, machine.kind_of(model))
                recipe = resolve(recipe, model, "classification")
                place = machine.Place.of(recipe.machine, model)
                learner = Learner(place.settle(model), functional.cross_entropy, recipe, place)
                batch = place.bring((inputs, targets))
                runs[precision, layout, update] = partial(learner.step, *batch, 1e-3)
        least = {}
        for name, run in [*runs.items()]:
            for _ in range(2 if not least or least[min(least, key=least.get)] < 1 else 1):
                start = time.process_time()
                try:
                    run()
                except RuntimeError as error:  # oneDNN has no bf16 LSTM below AVX-512
                    print(able, kind, name, error, file=sys.stderr)
                    least[name] = float("inf")
                    break
                least[name] = time.process_time() - start
        runs = {name: runs[name] for name in runs if least[name] < 4 * min(least.values())}
        began, rounds = time.perf_counter(), 0
        while rounds < 3 or time.perf_counter() - began < ROUNDS_SECONDS:
            for name, run in runs.items():
                start = time.process_time()
                run()
                least[name] = min(least[name], time.process_time() - start)
            rounds += 1
        results[kind] = {"/".join(name): 1000 * value for name, value in least.items()}
        print(able, kind, rounds, {k: round(v, 3) for k, v in results[kind].items()}, flush=True,
              file=sys.stderr)  # fmt: skip
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--one", choices=LIMITS, help="measure this capability in this process")
    arguments = parser.parse_args()
    if arguments.one:
        from gradatim.training import memory

        with memory.kept():  # as in a run
            print(json.dumps(measure(arguments.one)))
        return
    from gradatim.training import machine

    here = machine.capability(machine.check_device("cpu"))
    for able in PLAYED[here]:
        done = subprocess.run(
            [sys.executable, __file__, "--one", able],
            env={**os.environ, "OMP_NUM_THREADS": "1", **LIMITS[able]},
            stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
        for kind, times in json.loads(done.stdout).items():
            plain = times["fp32/contiguous/fused"]
            best = min((t, name) for name, t in times.items() if name.endswith("/fused"))
            precision, layout, _ = best[1].split("/")
            print(f'    ("{able}", "{kind}"): Choice("{precision}", "{layout}", '
                  f"{plain / best[0]:.2f}),  # {times}")  # fmt: skip


if __name__ == "__main__":
    main()
