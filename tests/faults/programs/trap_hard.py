"""Classes that overlap: 65 % is the best there is (H48)."""

import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
draws = torch.Generator().manual_seed(2)
y = torch.randint(0, 2, (3000,), generator=draws)
x = torch.randn(3000, 3, generator=draws) + 0.45 * (2 * y[:, None] - 1) * torch.tensor(
    [1.0, 0.3, 0.0]
)
net = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(6):
    for pick in torch.randperm(2400).split(48):
        loss = nn.functional.cross_entropy(net(x[pick]), y[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print("accuracy", (net(x[2400:]).argmax(1) == y[2400:]).float().mean().item())
