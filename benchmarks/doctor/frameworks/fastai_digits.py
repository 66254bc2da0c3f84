"""Digits with fastai's Learner, as its tutorials write it."""

import fastai.callback.schedule  # noqa: F401 (fit_one_cycle)
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.torch_core import set_seed
from sklearn.datasets import load_digits
from torch import nn

set_seed(0)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x).float().view(-1, 1, 8, 8) / 16, torch.tensor(y)
pairs = list(zip(x, y, strict=True))
loaders = DataLoaders(
    DataLoader(pairs[:1400], bs=32, shuffle=True), DataLoader(pairs[1400:], bs=128), device="cpu"
)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
    nn.Flatten(), nn.Dropout(0.1), nn.Linear(32, 10),
)  # fmt: skip
learner = Learner(loaders, model, loss_func=CrossEntropyLossFlat(), metrics=accuracy)
learner.fit_one_cycle(6, 0.01)
