import sys, copy, math
import torch
from torch import nn
# Reptile: a new inner copy with a new optimiser per task, meta update by interpolation
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
meta = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
hist = []
for it in range(60):
    amp, ph = 0.5 + 2 * torch.rand(1), math.pi * torch.rand(1)
    x = torch.rand(20, 1) * 6 - 3; y = amp * torch.sin(x + ph)
    net = copy.deepcopy(meta)
    opt = torch.optim.SGD(net.parameters(), lr=0.02)
    for k in range(8):
        loss = ((net(x) - y) ** 2).mean()
        opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad():
        for a, b in zip(meta.parameters(), net.parameters()): a.add_(0.3 * (b - a))
    hist.append(loss.item())
    if it % 15 == 14: print("task", it + 1, "inner loss", sum(hist[-15:]) / 15)
