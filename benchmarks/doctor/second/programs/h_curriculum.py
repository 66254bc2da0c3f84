import sys
import torch
from torch import nn
# curriculum: easy (well separated) samples first, so batches are ordered by difficulty on purpose
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
n = 1500
y = torch.randint(0, 3, (n,))
c = torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
noise = torch.rand(n, 1) * 1.2
x = c[y] + noise * torch.randn(n, 2)
order = noise.squeeze().argsort()
model = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 3))
optim = torch.optim.Adam(model.parameters(), lr=5e-3)
for stage, share in enumerate((0.25, 0.5, 0.75, 1.0)):
    pool = order[: int(n * share)]
    for _ in range(3):
        perm = pool[torch.randperm(len(pool))]
        for i in perm.split(30):
            loss = nn.CrossEntropyLoss()(model(x[i]), y[i])
            optim.zero_grad()
            loss.backward()
            optim.step()
    print("stage", stage, "loss", loss.item(), "acc", (model(x).argmax(1) == y).float().mean().item())
