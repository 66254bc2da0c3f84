"""Which of five chirp shapes is in this noisy signal? 1-d convolutions."""
import sys
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class Tones(Dataset):
    def __init__(self, n, seed, augment=False):
        rng = np.random.RandomState(seed)
        t = np.linspace(0, 1, 96)
        self.y = rng.randint(0, 5, n)
        f0, f1 = np.array([4, 9, 14, 4, 14])[self.y], np.array([4, 9, 14, 14, 4])[self.y]
        phase = rng.rand(n) * 6.28
        arg = 2 * np.pi * (f0[:, None] * t + (f1 - f0)[:, None] * t ** 2 / 2) + phase[:, None]
        self.x = (np.sin(arg) + 0.4 * rng.randn(n, 96)).astype("float32")
        self.augment = augment

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        x = torch.from_numpy(self.x[i]).unsqueeze(0)
        if self.augment:
            x = x + 0.1 * torch.randn_like(x)
        return x, self.y[i]


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, 12, 7, padding=3), nn.BatchNorm1d(12), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(12, 24, 5, padding=2), nn.BatchNorm1d(24), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(24, 24, 5, padding=2), nn.ReLU(), nn.AdaptiveMaxPool1d(2))
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(48, 5)

    def forward(self, x):
        return self.linear(self.dropout(self.features(x).flatten(1)))


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    train_dl = DataLoader(Tones(800, 0, augment=True), batch_size=32, shuffle=True)
    valid_dl = DataLoader(Tones(250, 1), batch_size=125)
    net = ConvNet()
    opt = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(6):
        net.train()
        for xb, yb in train_dl:
            opt.zero_grad()
            loss = nn.functional.cross_entropy(net(xb), yb)
            loss.backward()
            opt.step()
        net.eval()
        hits = 0
        with torch.no_grad():
            for xb, yb in valid_dl:
                hits += (net(xb).argmax(1) == yb).sum().item()
        print(f"epoch {epoch} loss {loss.item():.4f} valid_acc {hits / 250:.4f}")
