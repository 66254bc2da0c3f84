"""One contestant on a table of numbers: an MLP 50-256-128-10, batches of 1,024, Adam.

    python benchmarks/speed/table.py gradatim|resident|plain|skorch|keras-torch|keras-jax [--rows 1000000]

The rows are drawn from ten clusters; all contestants get the same arrays from memory, Gradatim the same
from an .npz file, through its verb.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from clock import Clock

COLUMNS, CLASSES, BATCH = 50, 10, 1024


def rows(count):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, CLASSES, count)
    centres = rng.normal(size=(CLASSES, COLUMNS)).astype(np.float32)
    noise = rng.normal(scale=3, size=(count, COLUMNS)).astype(np.float32)
    return centres[targets] + noise, targets


def gradatim(options, clock, inputs, targets):
    import gradatim
    from gradatim.data.batches import Batches

    whole, count = Batches.epoch, iter(range(options.epochs))

    def timed(self, number, start=0):
        if not self._shuffle:
            yield from whole(self, number, start)
            return
        clock.restart()
        try:
            yield from whole(self, number, start)
        finally:
            clock.lap(f"epoch {next(count) + 1}", self.samples)

    Batches.epoch = timed
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADATIM_CACHE"] = folder
        source = Path(folder) / "rows.npz"
        np.savez(source, x=inputs, y=targets)
        run = gradatim.fit(
            source,
            model="mlp",
            epochs=options.epochs,
            settings={"data.batch_size": BATCH},
            out=Path(folder) / "run",
        )
    return {"accuracy": run.test["value"]}


def module():
    from gradatim.core.spec import Spec
    from gradatim.models import build

    names = tuple(str(number) for number in range(CLASSES))
    return build("mlp", Spec("classification", "vector", (COLUMNS,), names))


def resident(options, clock, inputs, targets):
    import torch
    from torch.nn import functional

    from gradatim.core.recipe import Recipe
    from gradatim.training import machine
    from gradatim.training.defaults import resolve
    from gradatim.training.learner import Learner

    model = module()
    recipe = Recipe().with_values({"data.batch_size": BATCH})
    recipe = resolve(machine.resolve(recipe, model), model, "classification")
    place = machine.Place.of(recipe.machine, model)
    learner = Learner(place.settle(model), functional.cross_entropy, recipe, place)
    batch = torch.from_numpy(inputs[:BATCH]), torch.from_numpy(targets[:BATCH])
    steps = len(inputs) // BATCH
    with machine.at_work(place, recipe.machine.threads):
        for epoch in range(options.epochs):
            clock.restart()
            for _ in range(steps):
                learner.step(*batch, 1e-3)
            clock.lap(f"epoch {epoch + 1}", steps * BATCH)
    return {}


def plain(options, clock, inputs, targets):
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets))
    batches = DataLoader(data, BATCH, shuffle=True)
    model = module()
    descent = torch.optim.Adam(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(options.epochs):
        clock.restart()
        for some, wanted in batches:
            descent.zero_grad()
            loss = criterion(model(some), wanted)
            loss.backward()
            descent.step()
        clock.lap(f"epoch {epoch + 1}", len(data))
    return {"loss": loss.item()}


def skorch(options, clock, inputs, targets):
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import Callback

    class Laps(Callback):
        def on_epoch_begin(self, net, **_):
            clock.restart()

        def on_epoch_end(self, net, **_):
            clock.lap(f"epoch {len(net.history)}", len(inputs))

    NeuralNetClassifier(
        module(),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=BATCH,
        max_epochs=options.epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        callbacks=[("laps", Laps())],
    ).fit(inputs, targets)
    return {}


def keras(options, clock, inputs, targets, backend):
    os.environ["KERAS_BACKEND"] = backend
    import keras

    class Laps(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            clock.restart()

        def on_epoch_end(self, epoch, logs=None):
            clock.lap(f"epoch {epoch + 1}", len(inputs))

    model = keras.Sequential(
        [
            keras.layers.Input((COLUMNS,)),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(CLASSES),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        inputs,
        targets,
        batch_size=BATCH,
        epochs=options.epochs,
        verbose=0,
        callbacks=[Laps()],
    )
    return {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contestant")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    inputs, targets = rows(options.rows)
    clock, name = Clock(), options.contestant
    if name.startswith("keras-"):
        facts = keras(options, clock, inputs, targets, name.removeprefix("keras-"))
    else:
        table = {"gradatim": gradatim, "resident": resident, "plain": plain, "skorch": skorch}
        facts = table[name](options, clock, inputs, targets)
    clock.tell(contestant=name, **facts)


if __name__ == "__main__":
    main()
