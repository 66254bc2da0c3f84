import sys
import torch
from torch import nn
from sklearn.datasets import load_digits
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
x, y = torch.tensor(d.data).float(), torch.tensor(d.target)   # raw 0..16, BatchNorm first
net = nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 64), nn.Hardswish(), nn.Linear(64, 10))
opt = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9, nesterov=True)
sched = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=60, eta_min=1e-5)
step = 0
for epoch in range(9):
    net.train()
    for i in torch.randperm(1400).split(70):
        loss = nn.functional.cross_entropy(net(x[i]), y[i], label_smoothing=0.05)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        step += 1
    net.eval()
    print(f"epoch {epoch} loss {loss.item():.3f} lr {sched.get_last_lr()[0]:.4f} acc {(net(x[1400:]).argmax(1) == y[1400:]).float().mean():.3f}")
