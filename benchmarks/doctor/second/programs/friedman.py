# regression on Friedman #1, no frills
import sys
from sklearn.datasets import make_friedman1
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
x, y = make_friedman1(n_samples=1200, noise=0.5, random_state=3)
x = torch.as_tensor(x).float()
y = torch.as_tensor(y).float()
y = (y - y.mean()) / y.std()
xtr, ytr, xte, yte = x[:1000], y[:1000], x[1000:], y[1000:]

net = torch.nn.Sequential(
    torch.nn.Linear(10, 48), torch.nn.ReLU(),
    torch.nn.Linear(48, 48), torch.nn.ReLU(),
    torch.nn.Linear(48, 1),
)
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


def mse(pred, target):
    return ((pred - target) ** 2).mean()


for epoch in range(25):
    idx = torch.randperm(len(xtr))
    tot = 0.0
    for start in range(0, len(idx), 40):
        b = idx[start:start + 40]
        pred = net(xtr[b]).squeeze(-1)
        loss = mse(pred, ytr[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += float(loss) * len(b)
    with torch.no_grad():
        test = mse(net(xte).squeeze(-1), yte)
        r2 = 1 - float(((net(xte)[:, 0] - yte) ** 2).sum() / ((yte - yte.mean()) ** 2).sum())
    print(f"[{epoch:02d}] train {tot / len(xtr):.4f} test {float(test):.4f} r2 {r2:.4f}")
