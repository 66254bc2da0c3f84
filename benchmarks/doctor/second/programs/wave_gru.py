"""Next-step forecasting of a noisy two-tone wave with a GRU."""
import sys
import math
import torch
import torch.nn as nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def make_series(n, length, gen):
    t = torch.arange(length + 1).float()
    phase = torch.rand(n, 1, generator=gen) * 2 * math.pi
    freq = 0.2 + 0.3 * torch.rand(n, 1, generator=gen)
    s = torch.sin(freq * t + phase) + 0.05 * torch.randn(n, length + 1, generator=gen)
    return s[:, :-1].unsqueeze(-1), s[:, 1:].unsqueeze(-1)


class Forecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.out(h)


gen = torch.Generator().manual_seed(11)
xs, ys = make_series(480, 30, gen)
xv, yv = make_series(120, 30, gen)
model = Forecaster()
criterion = nn.MSELoss()
optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    model.train()
    losses = []
    for chunk in torch.randperm(len(xs)).split(16):
        optimiser.zero_grad()
        loss = criterion(model(xs[chunk]), ys[chunk])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        val = criterion(model(xv), yv).item()
    print(f"epoch={epoch} train_mse={sum(losses) / len(losses):.5f} val_mse={val:.5f}")
