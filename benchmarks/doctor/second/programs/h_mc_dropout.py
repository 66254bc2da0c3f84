"""MC dropout: predictions are means over stochastic passes in train mode, on purpose."""
import sys
import torch
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x = torch.rand(900, 1) * 6 - 3
y = torch.sin(x) * x + 0.1 * torch.randn_like(x)
net = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), 3e-3)


def enable_dropout(model):
    """Keep dropout active at prediction time."""
    model.eval()
    for m in model.modules():
        if isinstance(m, nn.Dropout):
            m.train()


def mc_predict(model, inputs, samples=20):
    enable_dropout(model)
    with torch.no_grad():
        draws = torch.stack([model(inputs) for _ in range(samples)])
    return draws.mean(0), draws.std(0)


for epoch in range(20):
    net.train()
    for i in torch.randperm(700).split(35):
        loss = nn.functional.mse_loss(net(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    mean, std = mc_predict(net, x[700:])
    print("epoch", epoch, "rmse", (mean - y[700:]).pow(2).mean().sqrt().item(), "uncertainty", std.mean().item())
