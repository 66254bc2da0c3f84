"""A small GoogLeNet on Fashion-MNIST, gradients accumulated over micro-batches."""

import sys

import torch
from sets import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train, x_test, y_test = fashion(1600, 400)
x_train, x_test = x_train.float() / 255, x_test.float() / 255
accumulate = 1


class Inception(nn.Module):
    def __init__(self, before, width):
        super().__init__()
        self.one = nn.Conv2d(before, width, 1)
        self.three = nn.Sequential(
            nn.Conv2d(before, width, 1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.five = nn.Sequential(
            nn.Conv2d(before, width, 1), nn.ReLU(), nn.Conv2d(width, width, 5, padding=2)
        )
        self.mix = nn.Conv2d(3 * width, 2 * width, 1)

    def forward(self, x):
        branches = [self.one(x), self.three(x), self.five(x)]
        return torch.relu(self.mix(torch.relu(torch.cat(branches, 1))))


class GoogLeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(2))
        self.first, self.second = Inception(12, 8), Inception(16, 12)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = self.second(self.first(self.stem(x)))
        return self.head(x.mean((2, 3)))


model = GoogLeNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32 // accumulate, shuffle=True)
for epoch in range(8):
    for index, (x, y) in enumerate(loader):
        loss = criterion(model(x), y) / accumulate
        loss.backward()
        if (index + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    with torch.inference_mode():
        scores = model(x_test)
        accuracy = (scores.argmax(1) == y_test).double().mean().item()
    print(f"epoch {epoch} loss {criterion(scores, y_test).item():.4f} accuracy {accuracy:.4f}")
