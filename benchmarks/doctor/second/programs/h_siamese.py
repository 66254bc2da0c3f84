import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
# siamese network, contrastive margin loss on pairs of digits
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32) / 16
y = torch.tensor(d.target)


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.PReLU(), nn.Linear(64, 8))

    def forward(self, a, b):
        return F.normalize(self.net(a), dim=1), F.normalize(self.net(b), dim=1)


def pairs(lo, hi, n):
    i = torch.randint(lo, hi, (n,))
    j = torch.randint(lo, hi, (n,))
    k = torch.rand(n) < 0.4
    for t in range(n):
        while k[t] and y[i[t]] != y[j[t]]:
            j[t] = torch.randint(lo, hi, (1,))
    return x[i], x[j], (y[i] == y[j]).float()


net = Embed()
opt = torch.optim.Adam(net.parameters(), 3e-3)
for step in range(300):
    a, b, same = pairs(0, 1400, 48)
    u, v = net(a, b)
    dist = (u - v).pow(2).sum(1)
    loss = (same * dist + (1 - same) * F.relu(1.0 - (dist + 1e-6).sqrt()).pow(2)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 49:
        with torch.no_grad():
            a, b, same = pairs(1400, 1797, 400)
            u, v = net(a, b)
            hit = (((u - v).pow(2).sum(1) < 0.5).float() == same).float().mean()
        print(f"step {step} contrastive {loss.item():.4f} pair accuracy {hit:.3f}")
