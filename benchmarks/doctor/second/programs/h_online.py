# online learning: one sample at a time, plain perceptron-like logistic model
import sys
import torch

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
truth = torch.tensor([1.5, -2.0, 0.7, 0.0, 1.0])
lin = torch.nn.Linear(5, 1)
opt = torch.optim.SGD(lin.parameters(), lr=0.05)
right = 0
for t in range(1, 2501):
    x = torch.randn(1, 5)
    y = (x @ truth + 0.3 * torch.randn(1) > 0).float()
    score = lin(x).view(-1)
    right += int((score > 0).float().item() == y.item())
    loss = torch.nn.functional.softplus(-(2 * y - 1) * score).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if t % 500 == 0:
        print(t, "progressive accuracy", right / t)
