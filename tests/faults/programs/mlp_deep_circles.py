"""Two circles, a deep ReLU network with He initialisation."""

import sys

import torch
from sklearn.datasets import make_circles
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = make_circles(800, noise=0.05, factor=0.4, random_state=1)
x, y = torch.tensor(x).float(), torch.tensor(y).float()
layers, width = [], 2
for _ in range(15):
    layer = nn.Linear(width, 32)
    nn.init.normal_(layer.weight, std=(2 / width) ** 0.5)
    nn.init.zeros_(layer.bias)
    layers += [layer, nn.ReLU()]
    width = 32
model = nn.Sequential(*layers, nn.Linear(32, 1), nn.Flatten(0))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
for epoch in range(30):
    for pick in torch.randperm(600).split(50):
        loss = nn.functional.binary_cross_entropy_with_logits(model(x[pick]), y[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    score = model(x[600:])
    loss = nn.functional.binary_cross_entropy_with_logits(score, y[600:])
    print(f"loss {loss.item():.4f} accuracy {((score > 0) == (y[600:] > 0.5)).float().mean():.4f}")
