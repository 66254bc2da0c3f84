"""Low-rank adapters on a trained, frozen network: B begins at zero (H34)."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())


class LoRA(nn.Module):
    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / rank)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + x @ self.a.t() @ self.b.t()


def train(model, x, y, epochs, rate):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    for _ in range(epochs):
        for pick in torch.randperm(len(x)).split(50):
            loss = nn.functional.cross_entropy(model(x[pick]), y[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
train(net, x[:700], y[:700], 8, 3e-3)
adapted = nn.Sequential(LoRA(net[0]), nn.ReLU(), LoRA(net[2]))
train(adapted, x[700:1400].flip(1), y[700:1400], 8, 5e-3)
with torch.no_grad():
    print("accuracy", (adapted(x[1400:].flip(1)).argmax(1) == y[1400:]).float().mean().item())
