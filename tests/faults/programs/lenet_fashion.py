"""LeNet with ReLU on Fashion-MNIST, functional style."""

import sys

import torch
import torch.nn.functional as F
from sets import fashion
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train, x_test, y_test = fashion()
x_train, x_test = x_train.float() / 255, x_test.float() / 255
batch_size, clip = 32, None


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def distort(x):
    return x


net = LeNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
for epoch in range(4):
    order = torch.randperm(len(x_train))
    for start in range(0, len(order), batch_size):
        pick = order[start : start + batch_size]
        scores = net(distort(x_train[pick]))
        loss = F.cross_entropy(scores, y_train[pick])
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
    with torch.no_grad():
        scores = net(x_test)
        accuracy = (scores.argmax(1) == y_test).float().mean().item()
        print(
            f"epoch {epoch} loss {F.cross_entropy(scores, y_test).item():.4f} accuracy {accuracy:.4f}"
        )
