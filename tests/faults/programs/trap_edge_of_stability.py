"""Full-batch gradient descent at the edge of stability: the loss is not monotone (H31)."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
x, y = x[:500], y[:500]
net = nn.Sequential(nn.Linear(64, 60), nn.Tanh(), nn.Linear(60, 60), nn.Tanh(), nn.Linear(60, 10))
parameters = list(net.parameters())
for step in range(400):
    loss = nn.functional.cross_entropy(net(x), y)
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients):
            parameter -= 0.9 * gradient
print("loss", loss.item())
