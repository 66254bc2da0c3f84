"""A small VGG with dropout on Fashion-MNIST, with a schedule per epoch."""

import sys

import torch
from sets import fashion
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train, x_test, y_test = fashion(1600, 500)
x_train, x_test = (x_train.float() / 255 - 0.29) / 0.35, (x_test.float() / 255 - 0.29) / 0.35
activation, p = nn.ReLU, 0.3


def block(before, after):
    return [nn.Conv2d(before, after, 3, padding=1), activation(), nn.MaxPool2d(2)]


model = nn.Sequential(
    *block(1, 12), *block(12, 24), *block(24, 32), nn.Flatten(),
    nn.Linear(288, 64), activation(), nn.Dropout(p), nn.Linear(64, 10),
)  # fmt: skip
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)


def train_epoch():
    model.train()
    for pick in torch.randperm(len(x_train)).split(32):
        loss = criterion(model(x_train[pick]), y_train[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()


@torch.no_grad()
def evaluate():
    model.eval()
    scores = model(x_test)
    return criterion(scores, y_test).item(), (scores.argmax(1) == y_test).float().mean().item()


for epoch in range(5):
    train_epoch()
    loss, accuracy = evaluate()
    print(f"epoch {epoch} loss {loss:.4f} accuracy {accuracy:.4f}")
