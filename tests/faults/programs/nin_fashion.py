"""Network in network on Fashion-MNIST: global average pooling instead of a head."""

import sys

import torch
import torch.nn.functional as F
from sets import fashion
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train, x_test, y_test = fashion(1600, 500)
x_train, x_test = (x_train.float() - 73) / 90, (x_test.float() - 73) / 90
stride = 2


def nin(before, after, size, stride):
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 1), nn.ReLU(),
    )  # fmt: skip


net = nn.Sequential(
    nin(1, 16, 5, stride), nin(16, 32, 3, stride), nin(32, 32, 3, 2), nin(32, 32, 3, 1),
    nn.Conv2d(32, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
)  # fmt: skip
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
for epoch in range(6):
    net.train()
    for pick in torch.randperm(len(x_train)).chunk(50):
        opt.zero_grad()
        F.cross_entropy(net(x_train[pick]), y_train[pick]).backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        out = net(x_test)
        print(
            f"epoch {epoch} loss {F.cross_entropy(out, y_test):.4f} accuracy {(out.argmax(1) == y_test).float().mean():.4f}"
        )
