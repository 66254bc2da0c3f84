"""Two circles with mini-batches by index."""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import make_circles
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
rng = np.random.default_rng(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = make_circles(800, noise=0.08, factor=0.5, random_state=0)
x, y = torch.tensor(x).float(), torch.tensor(y)
activation = torch.tanh


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, 24), nn.Linear(24, 24), nn.Linear(24, 2)

    def forward(self, x):
        h = activation(self.b(activation(self.a(x))))
        return self.c(h)


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(400):
    index = torch.tensor(rng.choice(600, 50, replace=False))
    loss = F.cross_entropy(model(x[index]), y[index])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    scores = model(x[600:])
    print(
        f"loss {F.cross_entropy(scores, y[600:]).item():.4f} accuracy {(scores.argmax(1) == y[600:]).float().mean():.4f}"
    )
