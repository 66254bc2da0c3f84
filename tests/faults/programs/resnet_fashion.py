"""A small ResNet with BatchNorm on Fashion-MNIST, in a trainer class."""

import sys

import torch
import torch.nn.functional as F
from sets import fashion
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x_train, y_train, x_test, y_test = fashion(1280, 400)
x_train, x_test = x_train.float() / 127.5 - 1, x_test.float() / 127.5 - 1
batch_size, momentum, p = 32, 0.1, 0.0


class Block(nn.Module):
    def __init__(self, before, after, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after, momentum=momentum)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after, momentum=momentum)
        self.skip = (
            nn.Conv2d(before, after, 1, stride, bias=False) if before != after else nn.Identity()
        )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.skip(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(8, momentum=momentum)
        self.blocks = nn.Sequential(Block(8, 8), Block(8, 16, 2), Block(16, 32, 2))
        self.drop = nn.Dropout(p)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.head(self.drop(x.mean((2, 3))))


class Trainer:
    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer

    def epoch(self, loader):
        self.model.train()
        for x, y in loader:
            self.optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimizer.step()

    def evaluate(self, x, y):
        self.model.eval()
        with torch.no_grad():
            scores = self.model(x)
        return F.cross_entropy(scores, y).item(), (scores.argmax(1) == y).float().mean().item()


model = ResNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
trainer = Trainer(model, optimizer)
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=batch_size, shuffle=True)
for epoch in range(6):
    trainer.epoch(loader)
    loss, accuracy = trainer.evaluate(x_test, y_test)
    print(f"epoch {epoch} loss {loss:.4f} accuracy {accuracy:.4f}")
