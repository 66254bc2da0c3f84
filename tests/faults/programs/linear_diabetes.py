"""Diabetes with a linear model and a squared error written by hand."""

import sys

import torch
from sklearn.datasets import load_diabetes

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = load_diabetes(return_X_y=True, scaled=False)
x, y = torch.tensor(x).float(), torch.tensor(y).float()
x = (x - x.mean(0)) / x.std(0)
y = (y - y.mean()) / y.std()
model = torch.nn.Linear(10, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(150):
    prediction = model(x[:352]).squeeze(1)
    loss = ((prediction - y[:352]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    print(f"loss {((model(x[352:]).squeeze(1) - y[352:]) ** 2).mean().item() / y.var().item():.4f}")
