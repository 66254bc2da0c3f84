import sys
import math
import torch
from torch import nn
# LoRA: frozen base layers, low-rank A random, B zero
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
g = torch.Generator().manual_seed(1)
x = torch.randn(1600, 12, generator=g)
W = torch.randn(12, 4, generator=g)
old, new = (x @ W).argmax(1), (x @ (W + 1.0 * torch.randn(12, 4, generator=g))).argmax(1)
base = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
opt = torch.optim.Adam(base.parameters(), 3e-3)
for s in range(150):
    i = torch.randint(0, 1200, (64,))
    opt.zero_grad(); nn.functional.cross_entropy(base(x[i]), old[i]).backward(); opt.step()
print("base accuracy", (base(x[1200:]).argmax(1) == old[1200:]).float().mean().item())
class LoRALinear(nn.Module):
    def __init__(self, linear, r=4):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, linear.in_features) / math.sqrt(r))
        self.B = nn.Parameter(torch.zeros(linear.out_features, r))
    def forward(self, z):
        return self.linear(z) + z @ self.A.T @ self.B.T
for k in (0, 2, 4):
    base[k] = LoRALinear(base[k])
opt = torch.optim.AdamW([p for p in base.parameters() if p.requires_grad], 1e-2)
for s in range(250):
    i = torch.randint(0, 1200, (64,))
    loss = nn.functional.cross_entropy(base(x[i]), new[i])
    opt.zero_grad(); loss.backward(); opt.step()
    if s % 50 == 49:
        print("lora step", s + 1, "loss", loss.item(), "acc", (base(x[1200:]).argmax(1) == new[1200:]).float().mean().item())
