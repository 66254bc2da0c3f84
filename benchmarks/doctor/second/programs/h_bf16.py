import sys
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

# bf16 autocast with focal loss and class weights
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_breast_cancer(return_X_y=True)
X = torch.tensor(scale(X)).float()
y = torch.tensor(y).float()
idx = torch.randperm(569, generator=torch.Generator().manual_seed(0))
X, y = X[idx], y[idx]


def focal(logit, target, gamma=2.0, alpha=0.4):
    p = torch.sigmoid(logit.float())
    pt = torch.where(target > 0, p, 1 - p)
    w = torch.where(target > 0, alpha, 1 - alpha)
    return (-w * (1 - pt) ** gamma * torch.log(pt.clamp_min(1e-8))).mean()


model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(25):
    model.train()
    for rows in torch.randperm(420).split(30):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(X[rows]).squeeze(-1)
        loss = focal(out, y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.inference_mode():
        acc = ((model(X[420:]).squeeze(-1) > 0) == (y[420:] > 0.5)).float().mean()
    print(f"epoch {epoch:02d} focal {loss.item():.5f} acc {acc:.4f}")
