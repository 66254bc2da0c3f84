"""One contestant on the next character: an LSTM of 2 x 256, stretches of 128 characters, batches of 64.

    python benchmarks/speed/characters.py gradatim|resident|plain|keras-torch|keras-jax TEXT.txt

Gradatim reads the text through its verb and hands the state on from batch to batch; the peers get
the characters as numbers in memory and begin every stretch anew.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from clock import Clock

HIDDEN, LAYERS, LENGTH, BATCH = 256, 2, 128, 64
SHARE = 0.75  # of the text is for training


def stretches(path):
    """Return inputs and targets, ``N x LENGTH`` int64, of the first part, and the characters."""
    text = path.read_text(encoding="utf-8")
    known, numbers = np.unique(np.array([*text]), return_inverse=True)
    numbers = numbers[: int(len(numbers) * SHARE)].astype(np.int64)
    count = (len(numbers) - 1) // LENGTH // BATCH * BATCH
    inputs = numbers[: count * LENGTH].reshape(count, LENGTH)
    return inputs, numbers[1 : count * LENGTH + 1].reshape(count, LENGTH), len(known)


def gradatim(options, clock):
    import gradatim
    from gradatim.data.streams import Streams

    whole, count = Streams.epoch, iter(range(options.epochs))

    def timed(self, number, start=0):
        if self.indices[0] != 0:  # the training part is the first stretch of the text
            yield from whole(self, number, start)
            return
        clock.restart()
        try:
            yield from whole(self, number, start)
        finally:
            clock.lap(f"epoch {next(count) + 1}", self.samples * LENGTH)

    Streams.epoch = timed
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADATIM_CACHE"] = folder
        run = gradatim.fit(
            options.text,
            model="lstm",
            epochs=options.epochs,
            precision=options.precision,
            settings={
                "model.hidden": HIDDEN,
                "model.layers": LAYERS,
                "data.length": LENGTH,
                "data.batch_size": BATCH,
            },
            out=Path(folder) / "run",
        )
    return {"precision": run.recipe.machine.precision}


def module(characters):
    import torch

    class Characters(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(characters, 64)
            self.recurrent = torch.nn.LSTM(64, HIDDEN, LAYERS, batch_first=True)
            self.output = torch.nn.Linear(HIDDEN, characters)

        def forward(self, tokens):
            return self.output(self.recurrent(self.embedding(tokens))[0])

    return Characters()


def plain(options, clock, *, resident=False):
    """A loop over shuffled batches; ``resident`` takes the same batch again and again."""
    import torch
    from torch.nn import functional

    inputs, targets, characters = stretches(options.text)
    inputs, targets = torch.from_numpy(inputs), torch.from_numpy(targets)
    model = module(characters)
    descent = torch.optim.AdamW(model.parameters(), lr=3e-3)
    low = options.precision == "bf16"
    for epoch in range(options.epochs):
        clock.restart()
        for some in torch.randperm(len(inputs)).split(BATCH):
            some = torch.arange(BATCH) if resident else some
            descent.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                scores = model(inputs[some])
            loss = functional.cross_entropy(scores.float().flatten(0, 1), targets[some].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            descent.step()
        clock.lap(f"epoch {epoch + 1}", inputs.numel())
    return {"loss": loss.item()}


def resident(options, clock):
    """Take the same batch again and again, in the precision that Gradatim takes for such a net."""
    from gradatim.core.recipe import Recipe
    from gradatim.training import machine

    model = module(2)
    chosen = machine.resolve(Recipe(), model).machine
    options.precision = options.precision or chosen.precision
    with machine.at_work(machine.Place.of(chosen, model), chosen.threads):
        return plain(options, clock, resident=True)


def keras(options, clock, backend):
    os.environ["KERAS_BACKEND"] = backend
    import keras

    inputs, targets, characters = stretches(options.text)

    class Laps(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            clock.restart()

        def on_epoch_end(self, epoch, logs=None):
            clock.lap(f"epoch {epoch + 1}", inputs.size)

    model = keras.Sequential(
        [
            keras.layers.Embedding(characters, 64),
            *(keras.layers.LSTM(HIDDEN, return_sequences=True) for _ in range(LAYERS)),
            keras.layers.Dense(characters),
        ]
    )
    model.compile(
        keras.optimizers.AdamW(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        inputs, targets, batch_size=BATCH, epochs=options.epochs, verbose=0, callbacks=[Laps()]
    )
    return {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contestant")
    parser.add_argument("text", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"])
    options = parser.parse_args()
    clock, name = Clock(), options.contestant
    if name.startswith("keras-"):
        facts = keras(options, clock, name.removeprefix("keras-"))
    elif name == "gradatim":
        facts = gradatim(options, clock)
    elif name == "resident":
        facts = resident(options, clock)
    else:
        facts = plain(options, clock)
    clock.tell(contestant=name, **facts)


if __name__ == "__main__":
    main()
