"""Dropout kept on in evaluation, on purpose (H39)."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)


def evaluate():
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    with torch.no_grad():
        votes = torch.stack([net(x[1300:]).softmax(1) for _ in range(10)]).mean(0)
    net.train()
    return (votes.argmax(1) == y[1300:]).float().mean().item(), nn.functional.nll_loss(
        votes.log(), y[1300:]
    ).item()


for epoch in range(8):
    for pick in torch.randperm(1300).split(32):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[pick]), y[pick]).backward()
        optimizer.step()
    print(epoch, *evaluate())
