"""One-cycle learning rate up to 0.3 with momentum (H29, H30)."""

import sys

import torch
from sets import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y, xt, yt = fashion(1600, 400)
x, xt = x.float() / 255, xt.float() / 255


def conv(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())


net = nn.Sequential(
    conv(1, 16),
    conv(16, 32),
    conv(32, 32),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
)
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
optimizer = torch.optim.SGD(
    net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
)
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, 0.3, epochs=6, steps_per_epoch=len(loader)
)
for epoch in range(6):
    net.train()
    for xb, yb in loader:
        loss = nn.functional.cross_entropy(net(xb), yb, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    net.eval()
    with torch.no_grad():
        print("accuracy", (net(xt).argmax(1) == yt).float().mean().item())
