"""Gradient descent written by hand, with backward: no optimiser, no modules."""

import sys

import torch
from sets import digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
w1 = (torch.randn(64, 40) * 0.17).requires_grad_()
b1 = torch.zeros(40, requires_grad=True)
w2 = (torch.randn(40, 10) * 0.15).requires_grad_()
b2 = torch.zeros(10, requires_grad=True)
rate = 0.2
for step in range(400):
    pick = torch.randint(0, 1400, (64,))
    hidden = (x[pick] @ w1 + b1).clamp(min=0)
    logits = hidden @ w2 + b2
    loss = -(logits - logits.logsumexp(1, keepdim=True))[range(64), y[pick]].mean()
    loss.backward()
    with torch.no_grad():
        for p in (w1, b1, w2, b2):
            p -= rate * p.grad
            p.grad.zero_()
with torch.no_grad():
    scores = (x[1400:] @ w1 + b1).clamp(min=0) @ w2 + b2
print("accuracy", (scores.argmax(1) == y[1400:]).float().mean().item())
