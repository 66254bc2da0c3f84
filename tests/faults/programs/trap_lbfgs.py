"""L-BFGS with a closure: several backward passes in one step."""

import sys

import torch
from sklearn.datasets import load_wine
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = load_wine(return_X_y=True)
x, y = torch.tensor((x - x.mean(0)) / x.std(0)).float(), torch.tensor(y)
net = nn.Sequential(nn.Linear(13, 10), nn.Sigmoid(), nn.Linear(10, 3))
optimizer = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=5)


def closure():
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y) + 1e-3 * sum(
        p.pow(2).sum() for p in net.parameters()
    )
    loss.backward()
    return loss


for step in range(40):
    loss = optimizer.step(closure)
print("loss", loss.item())
