# linear SVM by subgradient descent, hinge loss, labels -1 / +1
import sys
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
p = np.random.RandomState(0).permutation(len(X))
X, y = torch.tensor(X[p]).float(), torch.tensor(2 * y[p] - 1).float()
w = torch.zeros(30, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
opt = torch.optim.SGD([{"params": [w], "weight_decay": 0.01}, {"params": [b]}], lr=0.02)
for epoch in range(30):
    for i in torch.randperm(400).split(20):
        margin = y[i] * (X[i] @ w + b)
        loss = (1 - margin).clamp(min=0).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    acc = ((X[400:] @ w + b).sign() == y[400:]).float().mean()
    print("epoch %2d hinge %.4f acc %.4f" % (epoch, loss.item(), acc.item()))
