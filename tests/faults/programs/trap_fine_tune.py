"""Fine-tuning: backbone frozen, its BatchNorm in evaluation mode, then all but BatchNorm (H37, H38)."""

import sys

import torch
from sets import fashion
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y, xt, yt = fashion(1600, 400)
x, xt = x.float() / 127.5 - 1, xt.float() / 127.5 - 1
backbone = nn.Sequential(
    nn.Conv2d(1, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU(),
    nn.AdaptiveAvgPool2d(3), nn.Flatten(),
)  # fmt: skip
net = nn.Sequential(backbone, nn.Linear(216, 10))


def train(net, x, y, epochs, rate):
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    for _ in range(epochs):
        for pick in torch.randperm(len(x)).split(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[pick]), y[pick]).backward()
            optimizer.step()


net.train()
train(net, x[:800], y[:800], 4, 0.05)
net[1] = nn.Linear(216, 10)
for p in backbone.parameters():
    p.requires_grad = False
backbone.eval()
train(net, x[800:], y[800:], 3, 0.05)
for p in backbone.parameters():
    p.requires_grad = True
train(net, x[800:], y[800:], 2, 0.005)
net.eval()
with torch.no_grad():
    print("accuracy", (net(xt).argmax(1) == yt).float().mean().item())
