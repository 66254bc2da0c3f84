"""Colour shapes with a small convolutional network."""

import sys

import torch
import torch.nn.functional as F
from sets import shapes
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = shapes(1400)
x = torch.tensor(x).permute(0, 3, 1, 2).contiguous() - 0.35
y = torch.tensor(y)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.head = nn.Linear(600, 3)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    for pick in torch.randperm(1100).split(40):
        loss = F.cross_entropy(model(x[pick]), y[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores = model(x[1100:])
        print(
            f"epoch {epoch} loss {F.cross_entropy(scores, y[1100:]).item():.4f} accuracy {(scores.argmax(1) == y[1100:]).float().mean():.4f}"
        )
