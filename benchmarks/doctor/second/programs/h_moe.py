import sys
import torch
from torch import nn
# top-1 mixture of experts: experts that get no sample in a batch have no gradient
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.rand(2000, 2) * 4 - 2
y = torch.where(x[:, 0] > 0, torch.sin(3 * x[:, 1]), x[:, 1] ** 2 - 1)[:, None]
class MoE(nn.Module):
    def __init__(self, e=6):
        super().__init__()
        self.gate = nn.Linear(2, e)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)) for _ in range(e))
    def forward(self, x):
        p = self.gate(x).softmax(-1)
        w, k = p.max(-1)
        out = x.new_zeros(len(x), 1)
        for j, expert in enumerate(self.experts):
            rows = (k == j).nonzero()[:, 0]
            if len(rows):
                out = out.index_add(0, rows, expert(x[rows]) * w[rows, None] * 2)
        return out
net = MoE()
opt = torch.optim.Adam(net.parameters(), 1e-2)
for epoch in range(12):
    for i in torch.randperm(2000).split(50):
        loss = nn.functional.huber_loss(net(x[i]), y[i])
        opt.zero_grad(); loss.backward(); opt.step()
    print("epoch", epoch, "huber", round(loss.item(), 5))
