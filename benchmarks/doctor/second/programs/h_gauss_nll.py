import sys
import torch
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.linspace(-1, 1, 1000)[:, None]
y = x ** 3 + (0.02 + 0.1 * (x > 0)) * torch.randn_like(x)
class Hetero(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())
        self.mu = nn.Linear(32, 1)
        self.log_var = nn.Linear(32, 1)
    def forward(self, x):
        h = self.trunk(x)
        return self.mu(h), self.log_var(h).exp() + 1e-4
net = Hetero()
opt = torch.optim.Adam(net.parameters(), 4e-3)
nll = nn.GaussianNLLLoss()
for epoch in range(20):
    for i in torch.randperm(1000).split(40):
        mu, var = net(x[i])
        loss = nll(mu, y[i], var)
        opt.zero_grad(); loss.backward(); opt.step()
    print("epoch", epoch, "nll", loss.item())
