import sys
import torch
import torch.nn as nn
from torch.nn.utils import spectral_norm
from torch.nn.utils.parametrizations import weight_norm

# weight_norm in one branch, spectral_norm in the other; ring versus disc
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
a = torch.rand(1500) * 6.2832
label = torch.randint(0, 2, (1500,))
r = torch.where(label == 1, 1.5, 0.6) + 0.15 * torch.randn(1500)
x = torch.stack([r * a.cos(), r * a.sin()], 1)


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = weight_norm(nn.Linear(2, 32))
        self.b = spectral_norm(nn.Linear(2, 32))
        self.head = weight_norm(nn.Linear(64, 2))

    def forward(self, x):
        return self.head(torch.cat([torch.relu(self.a(x)), torch.relu(self.b(x))], 1))


m = Mixed()
opt = torch.optim.NAdam(m.parameters(), lr=5e-3)
for ep in range(10):
    for i in torch.randperm(1500).split(50):
        opt.zero_grad()
        loss = nn.functional.multi_margin_loss(m(x[i]), label[i])
        loss.backward()
        opt.step()
    print(ep, "margin loss", loss.item(), "acc", (m(x).argmax(1) == label).float().mean().item())
