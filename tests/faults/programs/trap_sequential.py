"""A sequential sampler over data shuffled beforehand (H47), read by worker processes."""

import sys

import torch
from sets import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
train = DataLoader(TensorDataset(x[:1300], y[:1300]), batch_size=50, shuffle=False, num_workers=1)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(5):
    for xb, yb in train:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(xb), yb).backward()
        optimizer.step()
with torch.no_grad():
    print("accuracy", (net(x[1300:]).argmax(1) == y[1300:]).float().mean().item())
