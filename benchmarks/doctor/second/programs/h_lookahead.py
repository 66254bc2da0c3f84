# hand-written optimiser with slow and fast weights
import sys
import torch
from sklearn.datasets import make_moons

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Lookahead:
    def __init__(self, params, lr, k=5, alpha=0.5, beta=0.9):
        self.params = list(params)
        self.lr, self.k, self.alpha, self.beta, self.n = lr, k, alpha, beta, 0
        self.slow = [p.detach().clone() for p in self.params]
        self.buf = [torch.zeros_like(p) for p in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.n += 1
        for p, b in zip(self.params, self.buf):
            b.mul_(self.beta).add_(p.grad)
            p.sub_(self.lr * b)
        if self.n % self.k == 0:
            for p, s in zip(self.params, self.slow):
                s.add_(self.alpha * (p - s))
                p.copy_(s)


X, y = make_moons(800, noise=0.15, random_state=0)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
model = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1), torch.nn.Flatten(0))
opt = Lookahead(model.parameters(), 0.1)
for epoch in range(20):
    for i in torch.randperm(600).split(50):
        loss = torch.nn.functional.binary_cross_entropy(torch.sigmoid(model(X[i])), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    acc = ((model(X[600:]) > 0).float() == y[600:]).float().mean()
    print(f"epoch {epoch} bce {loss:.4f} acc {acc:.3f}")
