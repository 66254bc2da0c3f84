"""A deep residual network without normalisation: branches are scaled down."""

import sys

import torch
from sets import fashion
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train, x_test, y_test = fashion(1280, 400)
x_train, x_test = x_train.float() / 255, x_test.float() / 255
depth, gain = 30, 0.2


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, width)
        nn.init.kaiming_normal_(self.layer.weight)

    def forward(self, x):
        return x + gain * torch.relu(self.layer(x))


net = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 64), *[Residual(64) for _ in range(depth)], nn.Linear(64, 10)
)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for epoch in range(5):
    for pick in torch.randperm(len(x_train)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x_train[pick]), y_train[pick])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores = net(x_test)
        accuracy = (scores.argmax(1) == y_test).float().mean().item()
        print(
            f"epoch {epoch} loss {nn.functional.cross_entropy(scores, y_test).item():.4f} accuracy {accuracy:.4f}"
        )
