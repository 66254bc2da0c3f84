import sys
import torch
from torch import nn
import torch.nn.functional as F
# non-saturating GAN with R1 penalty in one dimension, softplus losses, EMA generator
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
class MLP(nn.Module):
    def __init__(self, i): super().__init__(); self.f = nn.Sequential(nn.Linear(i, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
    def forward(self, x): return self.f(x)
g, d, avg = MLP(3), MLP(1), MLP(3)
avg.load_state_dict(g.state_dict())
og, od = torch.optim.Adam(g.parameters(), 1e-3, betas=(0.0, 0.9)), torch.optim.Adam(d.parameters(), 1e-3, betas=(0.0, 0.9))
for it in range(300):
    real = (torch.randn(64, 1) * 0.3 + torch.where(torch.rand(64, 1) < 0.5, -1.0, 1.0)).requires_grad_()
    fake = g(torch.randn(64, 3))
    dr = d(real)
    r1 = torch.autograd.grad(dr.sum(), real, create_graph=True)[0].pow(2).mean()
    ld = F.softplus(-dr).mean() + F.softplus(d(fake.detach())).mean() + 0.5 * r1
    od.zero_grad(set_to_none=True); ld.backward(); od.step()
    d.requires_grad_(False)
    lg = F.softplus(-d(fake)).mean()
    og.zero_grad(set_to_none=True); lg.backward(); og.step()
    d.requires_grad_(True)
    with torch.no_grad():
        for a, b in zip(avg.parameters(), g.parameters()): a.lerp_(b, 0.02)
    if it % 60 == 59: print(it + 1, "D", ld.item(), "G", lg.item(), "spread", avg(torch.randn(500, 3)).std().item())
