import sys
import math
import torch
import torch.nn as nn

# Wasserstein GAN with weight clipping on a ring of eight Gaussians
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
G = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
optG = torch.optim.RMSprop(G.parameters(), lr=5e-4)
optD = torch.optim.RMSprop(D.parameters(), lr=5e-4)


def real(n):
    k = torch.randint(0, 8, (n,)).float() * math.pi / 4
    return torch.stack([k.cos(), k.sin()], 1) + 0.03 * torch.randn(n, 2)


for it in range(250):
    for _ in range(5):
        optD.zero_grad()
        fake = G(torch.randn(64, 4)).detach()
        lossD = D(fake).mean() - D(real(64)).mean()
        lossD.backward()
        optD.step()
        for p in D.parameters():
            p.data.clamp_(-0.1, 0.1)
    optG.zero_grad()
    lossG = -D(G(torch.randn(64, 4))).mean()
    lossG.backward()
    optG.step()
    if it % 50 == 49:
        print(f"iteration {it + 1} critic {lossD.item():.4f} generator {lossG.item():.4f}")
