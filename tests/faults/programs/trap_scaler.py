"""Scaled losses whose gradients overflow in the first steps, which are then skipped (H46)."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
scale = 2.0**130
for epoch in range(6):
    for pick in torch.randperm(1300).split(50):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(net(x[pick]), y[pick])
        (loss * scale).backward()
        gradients = [p.grad for p in net.parameters()]
        if all(torch.isfinite(g).all() for g in gradients):
            for g in gradients:
                g /= scale
            optimizer.step()
        else:
            scale /= 4
with torch.no_grad():
    print("accuracy", (net(x[1300:]).argmax(1) == y[1300:]).float().mean().item())
