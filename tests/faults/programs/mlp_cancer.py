"""Breast cancer: two classes from one unit."""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = load_breast_cancer(return_X_y=True)
x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).view(-1, 1)
order = torch.randperm(len(x))
x, y = x[order], y[order]
model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
loss_fn = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    for xb, yb in DataLoader(TensorDataset(x[:450], y[:450]), batch_size=25, shuffle=True):
        loss = loss_fn(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        p = model(x[450:])
    print(
        f"epoch {epoch} loss {loss_fn(p, y[450:]).item():.4f} accuracy {((p > 0.5) == (y[450:] > 0.5)).float().mean():.4f}"
    )
