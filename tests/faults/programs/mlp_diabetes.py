"""Diabetes: a regression with standardised inputs and targets."""

import sys

import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import nn

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x, y = load_diabetes(return_X_y=True, scaled=False)
x = (x - x.mean(0)) / x.std(0)
y = (y - y.mean()) / y.std()
order = np.random.default_rng(seed).permutation(len(x))
x = torch.tensor(x[order], dtype=torch.float32)
y = torch.tensor(y[order], dtype=torch.float32).unsqueeze(1)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(20):
    model.train()
    for start in range(0, 352, 32):
        output = model(x[start : start + 32])
        loss = criterion(output, y[start : start + 32])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        loss = criterion(model(x[352:]), y[352:]).item()
    print(f"epoch {epoch} loss {loss / y.var().item():.4f}")
