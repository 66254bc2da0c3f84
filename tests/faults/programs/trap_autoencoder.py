"""An autoencoder of tiny values: losses of 1e-7 and gradients to match (H42)."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.tensor(digits()[0]) * 1e-1
net = nn.Sequential(
    nn.Linear(64, 32),
    nn.ELU(),
    nn.Linear(32, 12),
    nn.ELU(),
    nn.Linear(12, 32),
    nn.ELU(),
    nn.Linear(32, 64),
)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(10):
    for pick in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x[pick]), x[pick])
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
