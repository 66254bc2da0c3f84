# sharpness-aware minimisation: two forward/backward passes per step
import sys
import torch
from torch import nn
from sklearn.datasets import make_circles

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = make_circles(800, noise=0.08, factor=0.5, random_state=1)
X = torch.from_numpy(X).float() * 1.5
y = torch.from_numpy(y).long()


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base, rho=0.05, **kw):
        super().__init__(params, dict(rho=rho, **kw))
        self.base = base(self.param_groups, **kw)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def first_step(self):
        norm = torch.stack([p.grad.norm() for g in self.param_groups for p in g["params"]]).norm()
        for g in self.param_groups:
            for p in g["params"]:
                e = p.grad * (g["rho"] / (norm + 1e-12))
                p.add_(e)
                self.state[p]["e"] = e
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for g in self.param_groups:
            for p in g["params"]:
                p.sub_(self.state[p]["e"])
        self.base.step()
        self.zero_grad()


net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
opt = SAM(net.parameters(), torch.optim.SGD, rho=0.05, lr=0.1, momentum=0.9)
lossf = nn.CrossEntropyLoss()
for epoch in range(10):
    for i in torch.randperm(800).split(40):
        loss = lossf(net(X[i]), y[i])
        loss.backward()
        opt.first_step()
        lossf(net(X[i]), y[i]).backward()
        opt.second_step()
    print("epoch", epoch, "loss", f"{loss.item():.4f}", "acc", (net(X).argmax(1) == y).float().mean().item())
