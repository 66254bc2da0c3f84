"""A small AlexNet on Fashion-MNIST."""

import sys

import torch
import torch.nn as nn
import torch.optim as optim
from sets import fashion
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train, x_test, y_test = fashion(1600, 500)
x_train, x_test = x_train.float() / 255, x_test.float() / 255
trainloader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)
testloader = DataLoader(TensorDataset(x_test, y_test), batch_size=100)


class AlexNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()
        self.drop = nn.Dropout(0.2)
        self.fc1 = nn.Linear(288, 96)
        self.fc2 = nn.Linear(96, 10)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.relu(self.conv2(x))
        x = self.pool(self.relu(self.conv3(x)))
        x = self.drop(self.relu(self.fc1(torch.flatten(x, 1))))
        return self.fc2(x)


net = AlexNet()
criterion = nn.CrossEntropyLoss(reduction="mean")
optimizer = optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
for epoch in range(6):
    net.train()
    running_loss = 0.0
    for i, (inputs, labels) in enumerate(trainloader):
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    net.eval()
    correct = total = 0
    with torch.no_grad():
        for inputs, labels in testloader:
            _, predicted = torch.max(net(inputs), 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    print(
        f"epoch {epoch} loss {running_loss / len(trainloader):.4f} accuracy {correct / total:.4f}"
    )
