"""Digits read row by row with an LSTM."""

import sys

import torch
from sets import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
x = x.view(-1, 8, 8)


class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 48, batch_first=True)
        self.out = nn.Linear(48, 10)

    def forward(self, x):
        steps, _ = self.lstm(x)
        return self.out(steps[:, -1])


model = Rows()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(6):
    for xb, yb in DataLoader(TensorDataset(x[:1300], y[:1300]), batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores = torch.cat([model(part) for part in x[1300:].split(71)])
        print(
            f"epoch {epoch} loss {criterion(scores, y[1300:]).item():.4f} accuracy {(scores.argmax(1) == y[1300:]).float().mean():.4f}"
        )
