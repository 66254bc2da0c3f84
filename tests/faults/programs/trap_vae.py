"""A variational autoencoder with a Gaussian likelihood: its loss goes below zero (H41)."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.tensor(digits()[0])


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        self.decode = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        mean, log_variance = self.encode(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decode(z), mean, log_variance


vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
for epoch in range(10):
    for pick in torch.randperm(1500).split(50):
        out, mean, log_variance = vae(x[pick])
        fit = ((x[pick] - out) ** 2 / (2 * (2 * vae.log_scale).exp()) + vae.log_scale).sum(1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        loss = (fit + divergence).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
