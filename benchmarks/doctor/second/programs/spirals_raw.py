# two spirals without nn.Module and without an optimiser
import sys
import numpy as np
import torch

rng = np.random.default_rng(4)
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
n = 300
theta = np.sqrt(rng.random(n)) * 1.5 * np.pi
r = theta / 3
a = np.stack([r * np.cos(theta), r * np.sin(theta)], 1) + rng.normal(0, 0.04, (n, 2))
b = np.stack([-r * np.cos(theta), -r * np.sin(theta)], 1) + rng.normal(0, 0.04, (n, 2))
X = torch.tensor(np.concatenate([a, b]), dtype=torch.float32)
Y = torch.cat([torch.zeros(n), torch.ones(n)]).long()

W1 = (torch.randn(2, 64) * 1.0).requires_grad_()
b1 = torch.zeros(64, requires_grad=True)
W2 = (torch.randn(64, 32) * (2 / 64) ** 0.5).requires_grad_()
b2 = torch.zeros(32, requires_grad=True)
W3 = (torch.randn(32, 2) * (1 / 32) ** 0.5).requires_grad_()
b3 = torch.zeros(2, requires_grad=True)
params = [W1, b1, W2, b2, W3, b3]
lr = 0.1

for step in range(1500):
    i = torch.randint(0, 2 * n, (64,))
    h = (X[i] @ W1 + b1).relu()
    h = (h @ W2 + b2).relu()
    logits = h @ W3 + b3
    p = logits.softmax(1)
    loss = -torch.log(p[range(64), Y[i]]).mean()
    for q in params:
        q.grad = None
    loss.backward()
    with torch.no_grad():
        for q in params:
            q -= lr * q.grad
    if step % 100 == 99:
        with torch.no_grad():
            h = ((X @ W1 + b1).relu() @ W2 + b2).relu()
            acc = ((h @ W3 + b3).argmax(1) == Y).float().mean()
        print("step", step + 1, "loss", round(loss.item(), 4), "acc", round(acc.item(), 4))
