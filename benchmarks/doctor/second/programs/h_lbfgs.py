import sys
import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
torch.set_default_dtype(torch.float64)
t = torch.linspace(-3, 3, 200)[:, None]
target = torch.sinc(t) + 0.3 * torch.cos(3 * t)
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
opt = torch.optim.LBFGS(net.parameters(), lr=1.0, max_iter=20, line_search_fn="strong_wolfe")
for it in range(20):
    def closure():
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(t), target)
        loss.backward()
        return loss
    loss = opt.step(closure)
    print("lbfgs", it, "loss", loss.item())
