"""Two moons, full batch, one output unit."""

import sys

import torch
from sklearn.datasets import make_moons
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = make_moons(600, noise=0.15, random_state=0)
x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).unsqueeze(1)
net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.BCEWithLogitsLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.5)
for step in range(300):
    score = net(x[:400])
    loss = criterion(score, y[:400])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 49:
        with torch.no_grad():
            score = net(x[400:])
            accuracy = ((score > 0) == (y[400:] > 0.5)).float().mean().item()
            print(
                f"step {step} loss {criterion(score, y[400:]).item():.4f} accuracy {accuracy:.4f}"
            )
