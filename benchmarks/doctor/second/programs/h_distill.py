"""Teacher, then student by KL with temperature."""
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
X = torch.tensor(d.data, dtype=torch.float) / 16 - 0.3
y = torch.tensor(d.target)
perm = torch.randperm(len(X), generator=torch.Generator().manual_seed(2))
X, y = X[perm], y[perm]
tr, te = slice(0, 1400), slice(1400, None)
teacher = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
student = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
opt = torch.optim.Adam(teacher.parameters(), 2e-3)
for ep in range(8):
    for i in torch.randperm(1400).split(64):
        opt.zero_grad()
        F.cross_entropy(teacher(X[tr][i]), y[tr][i]).backward()
        opt.step()
teacher.eval()
for p in teacher.parameters():
    p.requires_grad = False
print("teacher", (teacher(X[te]).argmax(1) == y[te]).float().mean().item())
T = 3.0
kl = nn.KLDivLoss(reduction="batchmean")
opt = torch.optim.Adam(student.parameters(), 5e-3)
for ep in range(15):
    for i in torch.randperm(1400).split(64):
        xb = X[tr][i]
        with torch.no_grad():
            soft = F.softmax(teacher(xb) / T, 1)
        out = student(xb)
        loss = T * T * kl(F.log_softmax(out / T, 1), soft) * 0.7 + 0.3 * F.cross_entropy(out, y[tr][i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    acc = (student(X[te]).argmax(1) == y[te]).float().mean()
    print("student epoch", ep, "loss %.4f" % loss.item(), "acc %.4f" % acc.item())
