"""Pseudo-labels: train on a few labels, label the rest where sure, train again with a new model."""
import sys
import torch
from torch import nn
from sklearn.datasets import load_digits
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
x = torch.tensor(d.data).float().div(16); y = torch.tensor(d.target)
p = torch.randperm(len(x), generator=torch.Generator().manual_seed(7)); x, y = x[p], y[p]
def new(): return nn.Sequential(nn.Linear(64, 64), nn.Mish(), nn.Dropout(0.1), nn.Linear(64, 10))
def train(net, x, y, epochs):
    opt = torch.optim.AdamW(net.parameters(), 3e-3)
    for e in range(epochs):
        net.train()
        for i in torch.randperm(len(x)).split(32):
            opt.zero_grad(); l = nn.functional.cross_entropy(net(x[i]), y[i]); l.backward(); opt.step()
    net.eval()
    return l.item()
net = new()
print("labelled only: loss", train(net, x[:200], y[:200], 30), "acc", (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
with torch.no_grad():
    conf, lab = net(x[200:1400]).softmax(1).max(1)
sure = conf > 0.9
net = new()
print("pseudo: loss", train(net, torch.cat([x[:200], x[200:1400][sure]]), torch.cat([y[:200], lab[sure]]), 12), "acc", (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
