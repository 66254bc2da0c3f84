"""Raw pixels 0 to 255, but BatchNorm comes first (H28)."""

import sys

import torch
from sets import fashion
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y, xt, yt = fashion(1500, 400)
x, xt = x.float(), xt.float()
net = nn.Sequential(
    nn.BatchNorm2d(1), nn.Conv2d(1, 12, 5, 2), nn.ReLU(), nn.Conv2d(12, 24, 3, 2), nn.ReLU(),
    nn.Flatten(), nn.Linear(600, 10),
)  # fmt: skip
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(5):
    net.train()
    for pick in torch.randperm(len(x)).split(50):
        opt.zero_grad()
        nn.functional.cross_entropy(net(x[pick]), y[pick]).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        print("accuracy", (net(xt).argmax(1) == yt).float().mean().item())
