# a network with two branches: measurements and a category, regression
import sys
import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
g = torch.Generator().manual_seed(17)
n = 1400
num = torch.randn(n, 8, generator=g)
cat = torch.randint(0, 6, (n,), generator=g)
effect = torch.randn(6, 8, generator=g)
price = (torch.relu(num) * effect[cat]).sum(1) + 0.5 * num[:, 0] * num[:, 1] + 0.1 * torch.randn(n, generator=g)
price = (price / price.std()).unsqueeze(1)


class TwoBranch(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_branch = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
        self.cat_branch = nn.Embedding(6, 16)
        self.joint = nn.Sequential(nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.regressor = nn.Linear(32, 1)

    def forward(self, a, c):
        a = self.num_branch(a)
        c = self.cat_branch(c)
        z = self.joint(torch.cat([a, c], dim=1))
        return self.regressor(z)


net = TwoBranch()
mae = nn.SmoothL1Loss()
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
cut = 1100
for epoch in range(14):
    for b in torch.randperm(cut).split(44):
        y_hat = net(num[b], cat[b])
        loss = mae(y_hat, price[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        val = mae(net(num[cut:], cat[cut:]), price[cut:]).item()
    print(f"epoch {epoch}: smooth l1 {loss.item():.4f} | held out {val:.4f}")
