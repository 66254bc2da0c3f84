"""A small convolutional network on digits, with a data set class."""

import sys

import numpy as np
import torch
from sets import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = digits()
x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]


class Digits(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x.reshape(-1, 1, 8, 8), y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return torch.from_numpy(self.x[index]), int(self.y[index])


model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(64, 10), nn.LogSoftmax(dim=1),
)  # fmt: skip
loss_function = nn.NLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(5):
    for inputs, labels in DataLoader(Digits(x_train, y_train), batch_size=64, shuffle=True):
        optimizer.zero_grad()
        loss = loss_function(model(inputs), labels)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores = model(torch.from_numpy(x_test).view(-1, 1, 8, 8))
    labels = torch.from_numpy(y_test)
    loss, accuracy = loss_function(scores, labels).item(), (scores.argmax(1) == labels).numpy()
    print(f"epoch {epoch} loss {loss:.4f} accuracy {np.mean(accuracy):.4f}")
