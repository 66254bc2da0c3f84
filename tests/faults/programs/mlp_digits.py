"""Digits with a small network."""

import sys

import torch
from sets import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = digits()
x, y = torch.tensor(x), torch.tensor(y)
train = DataLoader(TensorDataset(x[:1300], y[:1300]), batch_size=32, shuffle=True)
test = DataLoader(TensorDataset(x[1300:], y[1300:]), batch_size=128)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(64, 64), nn.Linear(64, 48)]
        self.hidden = nn.ModuleList(self.hidden)
        self.last = nn.Linear(48, 10)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.last(x)


model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(8):
    model.train()
    for inputs, labels in train:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
    model.eval()
    right, total = 0, 0.0
    with torch.no_grad():
        for inputs, labels in test:
            outputs = model(inputs)
            total += criterion(outputs, labels).item() * len(labels)
            right += (outputs.argmax(1) == labels).sum().item()
    print(f"epoch {epoch} loss {total / 497:.4f} accuracy {right / 497:.4f}")
