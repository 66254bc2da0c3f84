"""One contestant on a folder of pictures: the same model, batch and augmentation for all.

    python benchmarks/speed/images.py CONTESTANT FOLDER --model lenet --size 32

Prints its laps as JSON; ``run.py`` starts the contestants in turn and compares them. Training
pictures are flipped; at 32 and 64 pixels they are shifted within a black frame of an eighth of
their side, at 224 a random resized crop is taken. AdamW for LeNet, SGD with Nesterov's momentum for ResNet.

``plain``, ``lightning``, ``fastai``, ``keras-torch``, ``keras-jax`` read ``FOLDER/train`` with
torchvision's ImageFolder and a DataLoader of two workers, as their documentation shows; fastai with
its own loaders. The same name with ``-best`` is the peer at its fair best: channels-last, bf16 and
workers that stay. ``resident`` is Gradatim's step on one batch that lies in memory: the ceiling.
"""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path

from clock import Clock

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
WORKERS = 2
RESIDENT_STEPS = 60
SMALLEST_AREA = 0.35


def gradatim(options, clock):
    """Fit through the verb; laps end with the last step of each epoch."""
    import gradatim
    from gradatim.data.batches import Batches

    whole = Batches.epoch
    count = iter(range(options.epochs))

    def timed(self, number, start=0):
        if not self._shuffle:
            yield from whole(self, number, start)
            return
        name = "audit" if number == 0 else "between"
        clock.lap(name, self.samples)
        try:
            yield from whole(self, number, start)
        finally:  # the loop leaves after its last step
            clock.lap(f"epoch {next(count) + 1}", self.samples)

    Batches.epoch = timed
    large = options.size > 64
    settings = {
        "data.size": options.size,
        "data.batch_size": options.batch,
        "data.flip": 0.5,
        "data.crop": "resized" if large else "padded",
        **({} if large else {"data.crop_padding": options.size // 8}),
        **dict(pair.split("=", 1) for pair in options.set),
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADATIM_CACHE"] = options.cache or folder
        clock.restart()
        run = gradatim.fit(
            options.folder,
            model=options.model,
            epochs=options.epochs,
            precision=options.precision,
            settings=settings,
            out=Path(folder) / "run",
        )
    machine = run.recipe.machine
    clock.lap("after", 0)
    return {"precision": machine.precision, "layout": machine.layout}


def resident(options, clock):
    """Take the same steps on one batch that lies in memory."""
    import torch
    from torch.nn import functional

    from gradatim.core.recipe import Recipe
    from gradatim.core.spec import Spec
    from gradatim.experiments import defaults
    from gradatim.training import machine
    from gradatim.training.defaults import resolve
    from gradatim.training.learner import Learner

    classes = tuple(sorted(path.name for path in (options.folder / "train").iterdir()))
    spec = Spec("classification", "image", (3, options.size, options.size), classes)
    model = build(options, len(classes))
    recipe = defaults.settle(Recipe(), spec, 45_000, options.model)
    recipe = recipe.with_values({"data.batch_size": options.batch})
    if options.precision:
        recipe = recipe.with_values({"machine.precision": options.precision})
    recipe = resolve(machine.resolve(recipe, model), model, "classification")
    place = machine.Place.of(recipe.machine, model)
    learner = Learner(place.settle(model), functional.cross_entropy, recipe, place)
    batch = place.bring(
        (
            torch.randn(options.batch, *spec.shape),
            torch.randint(0, len(classes), (options.batch,)),
        )
    )
    with machine.at_work(place, recipe.machine.threads):
        for _ in range(3):
            learner.step(*batch, 1e-3)
        clock.restart()
        for epoch in range(options.epochs):
            for _ in range(options.steps):
                learner.step(*batch, 1e-3)
            clock.lap(f"epoch {epoch + 1}", options.steps * options.batch)
    return {"precision": place.precision}


def build(options, classes):
    """Return the model, a plain torch module."""
    from gradatim.core.spec import Spec
    from gradatim.models import build as build_model

    names = tuple(str(number) for number in range(classes))
    size = options.size
    return build_model(options.model, Spec("classification", "image", (3, size, size), names))


def optimiser(options, parameters):
    import torch

    if options.model == "lenet":
        return torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.05)
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)


def loader(options, *, best):
    """Return torchvision's ImageFolder in a DataLoader, as its tutorials do it."""
    import torch
    from torchvision import datasets, transforms

    size = options.size
    shape = (
        [transforms.RandomResizedCrop(size, scale=(SMALLEST_AREA, 1))]
        if size > 64
        else [*_resized(transforms, options), transforms.RandomCrop(size, padding=size // 8)]
    )
    transform = transforms.Compose(
        [
            *shape,
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    data = datasets.ImageFolder(options.folder / "train", transform)
    return torch.utils.data.DataLoader(
        data,
        options.batch,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=best,
        drop_last=True,
    )


def _resized(transforms, options):
    side = options.stored
    return [] if side == options.size else [transforms.Resize((options.size, options.size))]


def plain(options, clock, *, best=False):
    """A loop as in PyTorch's tutorials."""
    import torch
    from torch import nn

    batches = loader(options, best=best)
    model = build(options, len(batches.dataset.classes))
    if best:
        model = model.to(memory_format=torch.channels_last)
    descent = optimiser(options, model.parameters())
    criterion = nn.CrossEntropyLoss()
    clock.restart()
    for epoch in range(options.epochs):
        total = right = count = 0
        for images, targets in batches:
            if best:
                images = images.to(memory_format=torch.channels_last)
            descent.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=best):
                outputs = model(images)
            loss = criterion(outputs.float(), targets)
            loss.backward()
            descent.step()
            total += loss.item() * len(targets)
            right += (outputs.argmax(1) == targets).sum().item()
            count += len(targets)
        clock.lap(f"epoch {epoch + 1}", count)
    return {"loss": total / count}


def lightning(options, clock, *, best=False):
    import logging
    import warnings

    import lightning as pl
    import torch
    from torch.nn import functional

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    batches = loader(options, best=best)

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = build(options, len(batches.dataset.classes))

        def training_step(self, batch, _):
            images, targets = batch
            if best:
                images = images.to(memory_format=torch.channels_last)
            loss = functional.cross_entropy(self.model(images), targets)
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            return optimiser(options, self.parameters())

        def on_train_epoch_start(self):
            clock.restart()

        def on_train_epoch_end(self):
            clock.lap(f"epoch {self.current_epoch + 1}", len(batches) * options.batch)

    module = Module()
    if best:
        module = module.to(memory_format=torch.channels_last)
    pl.Trainer(
        accelerator="cpu",
        max_epochs=options.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        precision="bf16-mixed" if best else "32-true",
    ).fit(module, batches)
    return {}


def fastai(options, clock, *, best=False):
    import fastai.callback.progress  # noqa: F401 - gives a learner its no_bar
    import torch
    from fastai.callback.core import Callback
    from fastai.data.block import CategoryBlock, DataBlock
    from fastai.data.transforms import Normalize, get_image_files, parent_label
    from fastai.learner import Learner
    from fastai.vision.augment import CropPad, Flip, PadMode, RandomCrop, RandomResizedCrop, Resize
    from fastai.vision.data import ImageBlock
    from torch.nn import functional

    size = options.size
    items = (
        [RandomResizedCrop(size, min_scale=SMALLEST_AREA)]
        if size > 64
        else [
            *([] if options.stored == size else [Resize(size)]),
            CropPad(size + size // 4, pad_mode=PadMode.Zeros),
            RandomCrop(size),
        ]
    )
    data = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files,
        get_y=parent_label,
        splitter=lambda files: (list(range(len(files))), [0]),
        item_tfms=items,
        batch_tfms=[Flip(), Normalize.from_stats(MEAN, STD)],
    ).dataloaders(options.folder / "train", bs=options.batch, num_workers=WORKERS, device="cpu")
    samples = len(data.train) * options.batch

    class Laps(Callback):
        def before_train(self):
            clock.restart()

        def after_train(self):
            clock.lap(f"epoch {self.epoch + 1}", samples)

    model = build(options, len(data.vocab))
    further = {}
    if best:  # PyTorch's optimisers are quicker than fastai's own, which is the default
        from fastai.optimizer import OptimWrapper

        kind = torch.optim.AdamW if options.model == "lenet" else torch.optim.SGD
        further["opt_func"] = partial(OptimWrapper, opt=kind)
    learner = Learner(data, model, loss_func=functional.cross_entropy, cbs=Laps(), **further)
    if best:
        from fastai.callback.channelslast import ChannelsLast
        from fastai.callback.fp16 import MixedPrecision

        learner.add_cb(ChannelsLast())
        try:
            from fastai.callback.fp16 import AMPMode

            learner.add_cb(MixedPrecision(AMPMode.BF16))
        except ImportError:
            pass
    with learner.no_bar(), learner.no_logging():
        learner.fit(options.epochs, lr=1e-3)
    return {"torch": torch.__version__}


def keras(options, clock, backend, *, best=False):
    os.environ["KERAS_BACKEND"] = backend
    import keras

    if best:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    batches = loader(options, best=best)

    class Laps(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            clock.restart()

        def on_epoch_end(self, epoch, logs=None):
            clock.lap(f"epoch {epoch + 1}", len(batches) * options.batch)

    layers = keras.layers
    if options.model != "lenet":
        raise SystemExit("keras plays LeNet only: its ResNet-18 would be another network")
    channels_first = backend == "torch"
    data_format = "channels_first" if channels_first else "channels_last"
    model = keras.Sequential(
        [
            layers.Input((3, options.size, options.size)),
            *([] if channels_first else [layers.Permute((2, 3, 1))]),
            layers.Conv2D(6, 5, padding="same", activation="relu", data_format=data_format),
            layers.MaxPooling2D(2, data_format=data_format),
            layers.Conv2D(16, 5, activation="relu", data_format=data_format),
            layers.MaxPooling2D(2, data_format=data_format),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(len(batches.dataset.classes)),
        ]
    )
    model.compile(
        keras.optimizers.AdamW(3e-3, weight_decay=0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=options.epochs, verbose=0, callbacks=[Laps()])
    return {"keras": keras.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contestant")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="lenet")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--stored", type=int, default=32, help="side of the pictures in the folder")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=RESIDENT_STEPS, help="of resident, an epoch")
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="of Gradatim and resident")
    parser.add_argument("--cache", help="Gradatim's cache; a new one when left out")
    parser.add_argument("--set", action="append", default=[], help="a key of Gradatim's recipe")
    options = parser.parse_args()
    name, best = options.contestant.removesuffix("-best"), options.contestant.endswith("-best")
    clock = Clock()
    if name.startswith("keras-"):
        facts = keras(options, clock, name.removeprefix("keras-"), best=best)
    elif name in ("gradatim", "resident"):
        facts = {"gradatim": gradatim, "resident": resident}[name](options, clock)
    else:
        facts = {"plain": plain, "lightning": lightning, "fastai": fastai}[name](
            options, clock, best=best
        )
    clock.tell(contestant=options.contestant, **facts)


if __name__ == "__main__":
    main()
