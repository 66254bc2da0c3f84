import sys
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn


class BinaryNet(nn.Module):
    def __init__(self, n_in, hidden=24):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_in, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
                                  nn.Linear(hidden, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(1)


class Trainer:
    def __init__(self, net, lr=1e-2):
        self.net = net
        self.opt = torch.optim.Adam(net.parameters(), lr=lr)
        self.loss = nn.BCEWithLogitsLoss()

    def fit(self, X, y, Xv, yv, epochs=30, bs=32):
        for ep in range(epochs):
            self.net.train()
            perm = torch.randperm(len(X))
            running = []
            for i in range(0, len(X), bs):
                idx = perm[i:i + bs]
                self.opt.zero_grad()
                l = self.loss(self.net(X[idx]), y[idx])
                l.backward()
                self.opt.step()
                running.append(l.item())
            vl, va = self.evaluate(Xv, yv)
            print("ep", ep, "loss", round(np.mean(running), 4), "val_loss", round(vl, 4), "val_acc", round(va, 4))
        return self

    def evaluate(self, X, y):
        self.net.eval()
        with torch.no_grad():
            out = self.net(X)
            return self.loss(out, y).item(), ((out > 0).float() == y).float().mean().item()


torch.manual_seed(int((sys.argv + ["0"])[1]))
data = load_breast_cancer()
X = torch.tensor(data.data, dtype=torch.float32)
X = (X - X.mean(0)) / X.std(0)
y = torch.tensor(data.target, dtype=torch.float32)
order = torch.randperm(len(X), generator=torch.Generator().manual_seed(5))
X, y = X[order], y[order]
Trainer(BinaryNet(30)).fit(X[:400], y[:400], X[400:], y[400:])
