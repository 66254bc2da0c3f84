"""Wine: thirteen features of very different size, standardised."""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = load_wine(return_X_y=True)
x = (x - x.mean(0)) / x.std(0)
order = torch.randperm(len(x))
x, y = torch.tensor(x, dtype=torch.float32)[order], torch.tensor(y)[order]
model = nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Linear(24, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(25):
    for start in range(0, 130, 13):
        optimizer.zero_grad()
        F.cross_entropy(model(x[start : start + 13]), y[start : start + 13]).backward()
        optimizer.step()
with torch.no_grad():
    scores = model(x[130:])
    print(
        f"loss {F.cross_entropy(scores, y[130:]).item():.4f} accuracy {(scores.argmax(1) == y[130:]).float().mean():.4f}"
    )
