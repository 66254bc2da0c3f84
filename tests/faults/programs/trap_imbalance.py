"""One sample of class 1 to twelve of class 0, well apart (H40)."""

import sys

import torch
from sklearn.datasets import make_blobs
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = make_blobs([1200, 100], centers=[[0, 0], [4, 4]], cluster_std=1.0, random_state=1)
order = torch.randperm(len(x))
x, y = torch.tensor(x).float()[order], torch.tensor(y)[order]
net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(10):
    for xb, yb in DataLoader(TensorDataset(x[:1000], y[:1000]), batch_size=50, shuffle=True):
        loss = nn.functional.binary_cross_entropy_with_logits(net(xb).squeeze(1), yb.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    print("accuracy", ((net(x[1000:]).squeeze(1) > 0).long() == y[1000:]).float().mean().item())
