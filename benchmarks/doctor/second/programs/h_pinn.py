import sys
import torch
from torch import nn
# physics-informed network: u'' + u = 0, u(0)=0, u'(0)=1 ; double backward for the residual
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
u = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
opt = torch.optim.Adam(u.parameters(), 5e-3)
zero = torch.zeros(1, 1, requires_grad=True)
for step in range(400):
    t = (torch.rand(50, 1) * 3).requires_grad_()
    y = u(t)
    dy, = torch.autograd.grad(y.sum(), t, create_graph=True)
    ddy, = torch.autograd.grad(dy.sum(), t, create_graph=True)
    y0 = u(zero)
    d0, = torch.autograd.grad(y0.sum(), zero, create_graph=True)
    loss = ((ddy + y) ** 2).mean() + y0.pow(2).sum() + (d0 - 1).pow(2).sum()
    opt.zero_grad(); loss.backward(); opt.step()
    if step % 80 == 79:
        tt = torch.linspace(0, 3, 50)[:, None]
        print("step", step + 1, "residual", loss.item(), "max error", (u(tt) - tt.sin()).abs().max().item())
