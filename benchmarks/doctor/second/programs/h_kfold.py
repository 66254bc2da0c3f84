import sys
import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_wine(return_X_y=True)
X = X.astype(np.float32)
scores = []
for fold, (tr, te) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)):
    mu, sd = X[tr].mean(0), X[tr].std(0)
    xtr, ytr = torch.tensor((X[tr] - mu) / sd), torch.tensor(y[tr])
    xte, yte = torch.tensor((X[te] - mu) / sd), torch.tensor(y[te])
    model = nn.Sequential(nn.Linear(13, 20), nn.ELU(), nn.Linear(20, 3))
    opt = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(25):
        for b in torch.randperm(len(xtr)).split(24):
            opt.zero_grad()
            loss = nn.CrossEntropyLoss(label_smoothing=0.1)(model(xtr[b]), ytr[b])
            loss.backward()
            opt.step()
    model.eval()
    scores.append((model(xte).argmax(1) == yte).float().mean().item())
    print("fold", fold, "acc", scores[-1])
print("mean acc", np.mean(scores))
