"""The adding problem over long sequences, with a GRU."""

import sys

import torch
from sets import adding
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
length = 60
x, y = map(torch.tensor, adding(800, length))


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(2, 40, batch_first=True)
        self.head = nn.Linear(40, 1)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])[:, 0]


net = Adder()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(12):
    for pick in torch.randperm(700).split(35):
        loss = criterion(net(x[pick]), y[pick])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        print(f"epoch {epoch} loss {criterion(net(x[700:]), y[700:]).item():.5f}")
