"""The adding problem with a plateau before the loss drops (H43)."""

import sys

import torch
from sets import adding
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, adding(1000, 30))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(2, 32, batch_first=True), nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.rnn(x)[1][0][-1]).flatten()


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(32):
    for pick in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x[pick]), y[pick])
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    print(epoch, loss.item())
