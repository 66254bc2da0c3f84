import sys
import copy
import torch
from sklearn.datasets import load_diabetes
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_diabetes(return_X_y=True)
X = torch.tensor(X).float() * 20
y = (torch.tensor(y).float() - 150) / 77
p = torch.randperm(442, generator=torch.Generator().manual_seed(3))
X, y = X[p], y[p]
net = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), 2e-3)
best, wait, best_state = float("inf"), 0, None
for epoch in range(200):
    net.train()
    for i in torch.randperm(300).split(30):
        opt.zero_grad()
        loss = nn.functional.l1_loss(net(X[i]).flatten(), y[i])
        loss.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        v = nn.functional.l1_loss(net(X[300:]).flatten(), y[300:]).item()
    print("epoch", epoch, "train", round(loss.item(), 3), "val", round(v, 3))
    if v < best - 1e-3:
        best, wait, best_state = v, 0, copy.deepcopy(net.state_dict())
    else:
        wait += 1
        if wait >= 5:
            print("early stopping, best", best)
            break
net.load_state_dict(best_state)
