import sys
import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
g = torch.Generator().manual_seed(5)
X = torch.randn(2000, 6, generator=g)
rate = torch.exp(1.2 + 0.6 * X[:, 0] - 0.4 * X[:, 1] * X[:, 2])
y = torch.poisson(rate, generator=g)
net = nn.Sequential(nn.Linear(6, 32), nn.Softplus(), nn.Linear(32, 1))
criterion = nn.PoissonNLLLoss(log_input=True)
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(12):
    for b in torch.randperm(1600).split(40):
        loss = criterion(net(X[b]).squeeze(1), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        print("epoch", epoch, "poisson nll", criterion(net(X[1600:]).squeeze(1), y[1600:]).item())
