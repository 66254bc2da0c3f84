"""A small GAN: two players, losses that swing (H44)."""

import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
generator = nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(32, 1))
g_step = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
d_step = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
criterion = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
for step in range(300):
    angle = torch.rand(64) * 6.283
    real = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(64, 2)
    fake = generator(torch.randn(64, 4))
    d_step.zero_grad()
    criterion(critic(real), ones).backward()
    criterion(critic(fake.detach()), zeros).backward()
    d_step.step()
    g_step.zero_grad()
    loss = criterion(critic(fake), ones)
    loss.backward()
    g_step.step()
with torch.no_grad():
    radius = generator(torch.randn(200, 4)).norm(dim=1)
print("radius", radius.mean().item())
