"""Pre-train on digits 0-4, freeze the body, train a new head on 5-9, then unfreeze with a tiny rate."""
import sys
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
X, y = torch.tensor(d.data / 16).float(), torch.tensor(d.target)
low, high = y < 5, y >= 5


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        return self.head(self.body(x))


def epochs(model, opt, X, y, n, body_eval=False):
    for e in range(n):
        model.train()
        if body_eval:
            model.body.eval()
        for i in torch.randperm(len(X)).split(32):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(X[i]), y[i])
            loss.backward()
            opt.step()
        model.eval()
        print("epoch", e, "loss", round(loss.item(), 4), "acc", (model(X).argmax(1) == y).float().mean().item())


net = Net()
epochs(net, torch.optim.Adam(net.parameters(), 2e-3), X[low], y[low], 5)
for p in net.body.parameters():
    p.requires_grad = False
net.head = nn.Linear(32, 5)
epochs(net, torch.optim.Adam(net.head.parameters(), 1e-2), X[high], y[high] - 5, 6, body_eval=True)
for p in net.body.parameters():
    p.requires_grad = True
epochs(net, torch.optim.SGD(net.parameters(), 1e-3), X[high], y[high] - 5, 3, body_eval=True)
