"""Gradients accumulated over eight batches and divided by eight (H36)."""

import sys

import torch
from sets import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
loader = DataLoader(TensorDataset(x[:1280], y[:1280]), batch_size=8, shuffle=True)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
for epoch in range(8):
    optimizer.zero_grad()
    for i, (xb, yb) in enumerate(loader):
        (criterion(net(xb), yb) / 8).backward()
        if i % 8 == 7:
            optimizer.step()
            optimizer.zero_grad()
with torch.no_grad():
    print("accuracy", (net(x[1280:]).argmax(1) == y[1280:]).float().mean().item())
