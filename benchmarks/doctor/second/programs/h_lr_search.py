"""Hyper-parameter loop: several models in sequence, some of them bad on purpose (part of the search)."""
import sys
import torch
from torch import nn
from sklearn.datasets import make_moons

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = make_moons(600, noise=0.15, random_state=2)
X, y = torch.tensor(X).float(), torch.tensor(y).float()


def fit(width, lr):
    net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1))
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    for step in range(250):
        i = torch.randint(0, 480, (48,))
        loss = nn.functional.binary_cross_entropy_with_logits(net(X[i])[:, 0], y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        return ((net(X[480:])[:, 0] > 0).float() == y[480:]).float().mean().item()


best = max((fit(w, lr), w, lr) for w in (8, 24) for lr in (0.01, 0.03, 0.1))
print("best acc %.3f width %d lr %g" % best)
