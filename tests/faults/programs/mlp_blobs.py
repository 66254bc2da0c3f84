"""Blobs of three classes."""

import sys

import torch
from sklearn.datasets import make_blobs
from torch import nn, optim

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = make_blobs(
    [400, 400, 400], centers=[[0, 0], [3, 0], [1.5, 2.5]], cluster_std=0.9, random_state=0
)
order = torch.randperm(len(x))
x, y = torch.tensor(x).float()[order], torch.tensor(y)[order]
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
criterion, optimizer = nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1)
cut = len(x) * 3 // 4
for epoch in range(12):
    for i in range(0, cut, 30):
        optimizer.zero_grad()
        loss = criterion(model(x[i : i + 30]), y[i : i + 30])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        out = model(x[cut:])
        recall = [
            (out.argmax(1) == k)[y[cut:] == k].float().mean().item()
            for k in range(int(y.max()) + 1)
        ]
        print(
            f"epoch {epoch} loss {criterion(out, y[cut:]).item():.4f} accuracy {sum(recall) / len(recall):.4f}"
        )
