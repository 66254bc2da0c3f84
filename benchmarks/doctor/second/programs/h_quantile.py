import sys
import torch
from torch import nn, optim

# quantile regression with pinball loss, y shape (N, 1) broadcast to three quantiles on purpose
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.rand(2000, 1) * 4 - 2
y = torch.sin(2 * x) + (0.1 + 0.2 * x.abs()) * torch.randn(2000, 1)
q = torch.tensor([0.1, 0.5, 0.9])
net = nn.Sequential(nn.Linear(1, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 3))
opt = optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(12):
    total = 0.0
    for b in torch.randperm(2000).split(50):
        e = y[b] - net(x[b])
        loss = torch.maximum(q * e, (q - 1) * e).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    with torch.no_grad():
        cover = (y < net(x)).float().mean(0)
    print("epoch", epoch, "pinball", round(total / 40, 4), "coverage", [round(c, 3) for c in cover.tolist()])
