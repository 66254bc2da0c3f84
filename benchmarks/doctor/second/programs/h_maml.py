import sys
import math
import torch
from torch.func import functional_call
from torch import nn

# second-order MAML on sines
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
net = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for it in range(150):
    meta = 0
    for task in range(4):
        amp, ph = 1 + torch.rand(1), torch.rand(1) * math.pi
        xs, xq = torch.rand(10, 1) * 6 - 3, torch.rand(10, 1) * 6 - 3
        fast = dict(net.named_parameters())
        inner = ((functional_call(net, fast, (xs,)) - amp * torch.sin(xs + ph)) ** 2).mean()
        grads = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
        fast = {k: v - 0.02 * g for (k, v), g in zip(fast.items(), grads)}
        meta = meta + ((functional_call(net, fast, (xq,)) - amp * torch.sin(xq + ph)) ** 2).mean()
    opt.zero_grad()
    (meta / 4).backward()
    opt.step()
    if it % 30 == 29:
        print("meta iteration", it + 1, "query loss", round(meta.item() / 4, 4))
