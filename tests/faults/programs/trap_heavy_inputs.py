"""Heavy-tailed standardised inputs beyond three spreads (H27)."""

import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
draws = torch.Generator().manual_seed(5)
x = torch.randn(1200, 12, generator=draws) ** 3
x = (x - x.mean(0)) / x.std(0)
y = ((x[:, :4].tanh().sum(1) + 0.2 * torch.randn(1200, generator=draws)) > 0).long()
model = nn.Sequential(nn.Linear(12, 40), nn.GELU(), nn.Linear(40, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(20):
    for i in range(0, 900, 45):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[i : i + 45]), y[i : i + 45]).backward()
        optimizer.step()
model.eval()
with torch.inference_mode():
    print("accuracy", (model(x[900:]).argmax(1) == y[900:]).float().mean().item())
