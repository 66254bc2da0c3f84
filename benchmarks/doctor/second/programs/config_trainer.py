import random
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

CONFIG = {"lr": 0.08, "momentum": 0.9, "wd": 1e-4, "epochs": 8, "bs": 48, "p": 0.2, "hidden": [96, 64]}


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def build(cfg):
    layers, width = [nn.Flatten()], 64
    for h in cfg["hidden"]:
        layers += [nn.Linear(width, h), nn.LayerNorm(h), nn.GELU(), nn.Dropout(cfg["p"])]
        width = h
    layers.append(nn.Linear(width, 10))
    return nn.Sequential(*layers)


class Loop:
    def __init__(self, cfg):
        self.cfg = cfg
        self.model = build(cfg)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=cfg["lr"], momentum=cfg["momentum"], weight_decay=cfg["wd"])
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, cfg["epochs"])
        self.history = []

    def batches(self, x, y, shuffle):
        order = np.random.permutation(len(x)) if shuffle else np.arange(len(x))
        for i in range(0, len(x), self.cfg["bs"]):
            rows = order[i:i + self.cfg["bs"]]
            yield torch.from_numpy(x[rows]), torch.from_numpy(y[rows])

    def run_epoch(self, x, y, training):
        self.model.train(training)
        total = hits = 0
        with torch.set_grad_enabled(training):
            for xb, yb in self.batches(x, y, training):
                logits = self.model(xb)
                loss = nn.functional.cross_entropy(logits, yb)
                if training:
                    self.optimizer.zero_grad()
                    loss.backward()
                    self.optimizer.step()
                total += loss.item() * len(xb)
                hits += (logits.argmax(-1) == yb).sum().item()
        return total / len(x), hits / len(x)

    def fit(self, train, valid):
        for epoch in range(self.cfg["epochs"]):
            tr = self.run_epoch(*train, training=True)
            va = self.run_epoch(*valid, training=False)
            self.scheduler.step()
            self.history.append((tr, va))
            print({"epoch": epoch, "train_loss": round(tr[0], 4), "train_acc": round(tr[1], 4),
                   "val_loss": round(va[0], 4), "val_acc": round(va[1], 4)})


if __name__ == "__main__":
    set_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    d = load_digits()
    images = (d.images.astype(np.float32) - 8) / 8
    targets = d.target.astype(np.int64)
    order = np.random.RandomState(0).permutation(len(images))
    images, targets = images[order], targets[order]
    Loop(CONFIG).fit((images[:1300], targets[:1300]), (images[1300:], targets[1300:]))
