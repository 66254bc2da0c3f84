"""DDPM on two moons: predict the noise."""
import sys
import torch
from sklearn.datasets import make_moons
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
T = 50
betas = torch.linspace(1e-4, 0.2, T)
abar = torch.cumprod(1 - betas, 0)
data = torch.tensor(make_moons(2000, noise=0.05, random_state=0)[0]).float()
data = (data - data.mean(0)) / data.std(0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 16)
        self.inp = nn.Linear(2, 64)
        self.mid = nn.Linear(64 + 16, 64)
        self.out = nn.Linear(64, 2)

    def forward(self, x, t):
        h = torch.nn.functional.silu(self.inp(x))
        h = torch.nn.functional.silu(self.mid(torch.cat([h, self.time(t)], -1)))
        return self.out(h)


model = Denoiser()
ema = {k: v.clone() for k, v in model.state_dict().items()}
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
run = None
for it in range(700):
    x0 = data[torch.randint(0, 2000, (128,))]
    t = torch.randint(0, T, (128,))
    eps = torch.randn_like(x0)
    xt = abar[t].sqrt()[:, None] * x0 + (1 - abar[t]).sqrt()[:, None] * eps
    loss = ((model(xt, t) - eps) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for k, v in model.state_dict().items():
            ema[k].mul_(0.99).add_(v, alpha=0.01)
    run = loss.item() if run is None else 0.98 * run + 0.02 * loss.item()
    if it % 100 == 99:
        print(it + 1, "noise mse", round(run, 4))
