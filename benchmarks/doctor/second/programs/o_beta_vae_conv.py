import sys
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
# convolutional VAE with Gaussian likelihood of fixed scale; ELBO as mean, may be negative
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
t = torch.rand(1000, 2) * 3.14
grid = torch.linspace(0, 3.14, 16)
imgs = (torch.sin(grid[None, :, None] + t[:, 0, None, None]) * torch.cos(grid[None, None] + t[:, 1, None, None]))[:, None]
class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ELU(), nn.Conv2d(8, 16, 4, 2, 1), nn.ELU(), nn.Flatten(), nn.Linear(256, 8))
        self.dec = nn.Sequential(nn.Linear(4, 256), nn.ELU(), nn.Unflatten(1, (16, 4, 4)), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ELU(), nn.ConvTranspose2d(8, 1, 4, 2, 1))
    def elbo(self, x, beta):
        mu, ls = self.enc(x).chunk(2, 1)
        q = Normal(mu, ls.exp())
        rec = Normal(self.dec(q.rsample()), 0.1).log_prob(x).sum((1, 2, 3))
        kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1)
        return (rec - beta * kl).mean()
vae = VAE()
opt = torch.optim.Adam(vae.parameters(), 2e-3)
for epoch in range(7):
    for b in imgs[torch.randperm(1000)].split(50):
        loss = -vae.elbo(b, beta=min(1.0, 0.2 * (epoch + 1)))
        opt.zero_grad(); loss.backward(); opt.step()
    print("epoch", epoch, "elbo", -loss.item())
