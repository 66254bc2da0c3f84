# RealNVP-like flow on a tight 2-d mixture; the negative log likelihood becomes negative
import sys
import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.st = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 2))
        nn.init.zeros_(self.st[2].weight)
        nn.init.zeros_(self.st[2].bias)

    def forward(self, x):
        a, b = x[:, :1], x[:, 1:]
        if self.flip:
            a, b = b, a
        s, t = self.st(a).chunk(2, 1)
        b = b * s.exp() + t
        return (torch.cat([b, a], 1) if self.flip else torch.cat([a, b], 1)), s.squeeze(1)


class Flow(nn.Module):
    def __init__(self, n=4):
        super().__init__()
        self.steps = nn.ModuleList([Coupling(i % 2 == 1) for i in range(n)])
        self.base = torch.distributions.Normal(0.0, 1.0)

    def log_prob(self, x):
        total = 0
        for f in self.steps:
            x, s = f(x)
            total = total + s
        return self.base.log_prob(x).sum(1) + total


x = torch.randn(3000, 2) * 0.05
x[:, 1] += x[:, 0].pow(2) * 8 + 0.2
flow = Flow()
opt = torch.optim.Adam(flow.parameters(), lr=5e-3)
for epoch in range(6):
    for b in x[torch.randperm(3000)].split(60):
        nll = -flow.log_prob(b).mean()
        opt.zero_grad()
        nll.backward()
        opt.step()
    print("epoch", epoch, "nll", round(nll.item(), 3))
