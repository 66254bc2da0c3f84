"""Residual network on coloured shapes (32 x 32 RGB, drawn here)."""
import sys
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Shapes(Dataset):
    """HWC uint8 images: squares, discs, crosses and frames in random colours and places."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[:24, :24]
        self.images = rng.integers(0, 90, (n, 24, 24, 3), dtype=np.uint8)
        self.labels = rng.integers(0, 4, n)
        for image, label in zip(self.images, self.labels):
            cy, cx = rng.integers(8, 16, 2)
            r = rng.integers(4, 8)
            d = np.maximum(abs(yy - cy), abs(xx - cx))
            mask = {0: d <= r, 1: (yy - cy) ** 2 + (xx - cx) ** 2 <= r * r,
                    2: ((abs(yy - cy) <= 1) | (abs(xx - cx) <= 1)) & (d <= r),
                    3: (d <= r) & (d >= r - 1)}[int(label)]
            image[mask] = rng.integers(110, 255, 3)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        x = torch.from_numpy(self.images[i]).permute(2, 0, 1).float().div(127.5).sub(1)
        return x, torch.tensor(self.labels[i])


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.skip = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + self.skip(x))


class TinyResNet(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.stage1 = Block(8, 12, 2)
        self.stage2 = Block(12, 16, 2)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.stage2(self.stage1(torch.relu(self.stem(x))))
        return self.fc(x.mean((2, 3)))


def accuracy(model, loader):
    model.eval()
    hits = 0
    with torch.no_grad():
        for x, y in loader:
            hits += (model(x).argmax(1) == y).sum().item()
    return hits / len(loader.dataset)


def main(seed):
    torch.manual_seed(seed)
    train_loader = DataLoader(Shapes(1000, 1), batch_size=25, shuffle=True)
    val_loader = DataLoader(Shapes(300, 2), batch_size=100)
    model = TinyResNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(6):
        model.train()
        for x, y in train_loader:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        print(f"epoch {epoch}: last loss {loss.item():.3f} val accuracy {accuracy(model, val_loader):.3f}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
