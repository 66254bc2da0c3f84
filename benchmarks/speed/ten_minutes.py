"""Test accuracy after so many seconds from scratch, by a peer's own documented recipe.

    /path/to/peers/bin/python benchmarks/speed/ten_minutes.py lightning FOLDER --seconds 600 --best

FOLDER holds ``train`` and ``test`` with a folder a class. The seconds count from the start of the
program to the measured test accuracy, as for ``gradatim fit FOLDER --budget 10m``.

``lightning`` is the tutorial "PyTorch Lightning CIFAR10 ~94% Baseline" of its documentation:
torchvision's ResNet-18 with a 3 x 3 stem and no pooling, batches of 256, SGD with momentum 0.9 and
weight decay 5e-4, OneCycleLR to 0.1, padded crops and flips. It names 30 passes; here as many steps
as fit, timed on a few first, so that the schedule ends in time. ``--best`` adds bf16 and
channels-last, which the tutorial does not have.

``fastai`` is ``train_imagenette.py`` of its examples, with the smallest of its networks on the pictures as
they are: xresnet18 with Mish, batches of 64, label smoothing, ranger at 0.01 and weight decay 0.01, one rate
for three quarters and then a cosine, random crops of at least 35 % of a picture, flips. It
names 5 passes and more; here as many as fit, by the time of a few steps.

``keras`` is ``cifar10_cnn`` of Keras' examples: four convolutions with dropout and two dense layers,
batches of 32, RMSprop at 1e-4, shifts and flips; it names 25 passes for 75 %.
"""

import argparse
import contextlib
import time
from functools import partial
from pathlib import Path

BEGAN = time.monotonic()
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
TIMED = 4  # steps
KEPT = 0.97  # of the time is planned


def lightning(options):
    """Train as the tutorial does, and return the test accuracy and the passes."""
    import lightning
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import DataLoader
    from torchvision import datasets, models, transforms

    lightning.seed_everything(options.seed)
    plain = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    augmented = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *plain]

    def loader(part, steps, shuffle):
        data = datasets.ImageFolder(options.folder / part, transforms.Compose(steps))
        return DataLoader(data, 256, shuffle=shuffle, num_workers=2)

    train, test = loader("train", augmented, True), loader("test", plain, False)

    class Net(lightning.LightningModule):
        def __init__(self, steps):
            super().__init__()
            self.model = models.resnet18(weights=None, num_classes=10)
            self.model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
            self.model.maxpool = nn.Identity()
            if options.best:
                self.model.to(memory_format=torch.channels_last)
            self.steps, self.right = steps, 0

        def forward(self, x):
            if options.best:
                x = x.to(memory_format=torch.channels_last)
            return functional.log_softmax(self.model(x), dim=1)

        def training_step(self, batch, _):
            return functional.nll_loss(self(batch[0]), batch[1])

        def test_step(self, batch, _):
            self.right += int((self(batch[0]).argmax(1) == batch[1]).sum())

        def configure_optimizers(self):
            optimiser = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=self.steps)
            return {
                "optimizer": optimiser,
                "lr_scheduler": {"scheduler": schedule, "interval": "step"},
            }

    def trainer(steps):
        return lightning.Trainer(
            max_steps=steps,
            max_epochs=-1,
            accelerator="cpu",
            precision="bf16-mixed" if options.best else "32-true",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    def timed(steps):
        began = time.monotonic()
        trainer(steps).fit(Net(steps), train)
        return time.monotonic() - began

    timed(1)
    step = (timed(1 + TIMED) - timed(1)) / TIMED
    measuring = len(test) * step / 3
    left = KEPT * options.seconds - (time.monotonic() - BEGAN) - measuring
    steps = max(2, int(left / step))
    net = Net(steps)
    own = trainer(steps)
    own.fit(net, train)
    own.test(net, test, verbose=False)
    return net.right / len(test.dataset), steps / len(train)


def fastai(options):
    """Train as the example does, and return the test accuracy and the passes."""
    import torch
    from fastai.vision import all as vision

    vision.set_seed(options.seed)
    normalise = vision.Normalize.from_stats(MEAN, STD, cuda=False)
    augmented = [vision.RandomResizedCrop(32, min_scale=0.35), vision.FlipItem(0.5)]
    data = vision.ImageDataLoaders.from_folder(
        options.folder,
        "train",
        "test",
        item_tfms=augmented,
        batch_tfms=[normalise],
        bs=64,
        num_workers=2,
    )

    def learner():
        model = vision.xresnet18(n_out=10, act_cls=torch.nn.Mish)
        if options.best:
            model.to(memory_format=torch.channels_last)
        loss = vision.LabelSmoothingCrossEntropy()
        optimiser = partial(vision.ranger, mom=0.9, sqr_mom=0.99, eps=1e-6, beta=0.0)
        return vision.Learner(
            data, model, opt_func=optimiser, loss_func=loss, metrics=vision.accuracy
        )

    class Ends(vision.Callback):
        """Cancel the timing after its steps."""

        def after_batch(self):
            if self.iter == TIMED * 10:
                raise vision.CancelFitException

    own = learner()
    with own.no_bar(), own.no_logging():
        own.fit(1, 0.0, cbs=Ends())
        own.validate()
        began = time.monotonic()
        own.fit(1, 0.0, cbs=Ends())
        step = (time.monotonic() - began) / (TIMED * 10)
        began = time.monotonic()
        own.validate()
        measuring = time.monotonic() - began
        left = KEPT * options.seconds - (time.monotonic() - BEGAN)
        passes = max(1, int(left / (step * len(data.train) + measuring)))
        own = learner()
    with own.no_bar(), own.no_logging():
        own.fit_flat_cos(passes, 1e-2, wd=1e-2)
    return own.recorder.values[-1][-1], passes


def keras(options):
    """Train as the example does, and return the test accuracy and the passes."""
    import os

    os.environ["KERAS_BACKEND"] = "jax"
    import keras
    import numpy as np
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    keras.utils.set_random_seed(options.seed)
    if options.best:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")

    def arrays(part):
        data = datasets.ImageFolder(options.folder / part, transforms.PILToTensor())
        batches = list(DataLoader(data, 1000, num_workers=2))
        images = np.concatenate([inputs.numpy() for inputs, _ in batches])
        images = images.transpose(0, 2, 3, 1).astype("float32") / 255
        return images, np.concatenate([targets.numpy() for _, targets in batches])

    train, test = arrays("train"), arrays("test")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", data_format="channels_last"),
            layers.RandomFlip("horizontal"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax", dtype="float32"),
        ]
    )
    optimiser = keras.optimizers.RMSprop(learning_rate=1e-4)
    model.compile(optimiser, "sparse_categorical_crossentropy", metrics=["accuracy"])
    steps = -(-len(train[0]) // 32)
    done = 0

    class Ends(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            nonlocal done
            done += 1
            if time.monotonic() - BEGAN > KEPT * options.seconds:
                self.model.stop_training = True
                raise StopIteration  # at once, not at the end of the epoch

    with contextlib.suppress(StopIteration):
        model.fit(*train, batch_size=32, epochs=1000, callbacks=[Ends()], verbose=0)
    return model.evaluate(*test, batch_size=500, verbose=0)[1], done / steps


def main():
    """Run one peer and print one line."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("peer", choices=["lightning", "fastai", "keras"])
    options.add_argument("folder", type=Path)
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--best", action="store_true")
    chosen = options.parse_args()
    accuracy, passes = globals()[chosen.peer](chosen)
    seconds = time.monotonic() - BEGAN
    name = f"{chosen.peer}{'-best' if chosen.best else ''}"
    print(f"{name}: test accuracy {accuracy:.4f} after {seconds:.0f} s, {passes:.2f} passes")


if __name__ == "__main__":
    main()
