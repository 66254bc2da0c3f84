"""The adding problem with an LSTM."""

import sys

import torch
from sets import adding
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, adding(1600, 20))
loader = DataLoader(TensorDataset(x[:1280], y[:1280]), batch_size=32, shuffle=True, drop_last=True)


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(2, 32, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, x, state=None):
        out, state = self.rnn(x, state)
        return self.head(out[:, -1]).squeeze(1), tuple(item.detach() for item in state)


net = Adder()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
epochs = 12
for epoch in range(epochs):
    state = None
    for inputs, targets in loader:
        optimizer.zero_grad()
        output, _ = net(inputs, state)
        loss = nn.functional.mse_loss(output, targets)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(f"epoch {epoch} loss {nn.functional.mse_loss(net(x[1280:])[0], y[1280:]).item():.5f}")
