"""Thirty samples learned by heart: gradients near zero at the end (H45)."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
x, y = x[:30], y[:30]
net = nn.Sequential(
    nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(400):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
print("loss", loss.item())
