import sys
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import Dataset, DataLoader

# hourly load forecast: last 24 hours -> next hour, Conv + linear, standardised with train statistics
rng = np.random.default_rng(3)
hours = np.arange(2200)
load = 500 + 120 * np.sin(hours * 2 * np.pi / 24) + 60 * np.sin(hours * 2 * np.pi / 168) + rng.normal(0, 12, 2200)
split = 1800
mu, sd = load[:split].mean(), load[:split].std()
load = (load - mu) / sd


class Windows(Dataset):
    def __init__(self, series):
        self.s = torch.tensor(series, dtype=torch.float32)

    def __len__(self):
        return len(self.s) - 24

    def __getitem__(self, i):
        return self.s[i:i + 24], self.s[i + 24]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 5)
        self.fc_in = nn.Linear(160, 32)
        self.fc_out = nn.Linear(32, 1)

    def forward(self, x):
        x = torch.relu(self.conv(x.unsqueeze(1))).flatten(1)
        return self.fc_out(torch.relu(self.fc_in(x))).squeeze(-1)


torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
train_loader = DataLoader(Windows(load[:split]), batch_size=50, shuffle=True)
test_loader = DataLoader(Windows(load[split:]), batch_size=100, shuffle=False)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
criterion = nn.MSELoss()
for epoch in range(6):
    net.train()
    for window, nxt in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(window), nxt)
        loss.backward()
        optimizer.step()
    net.eval()
    err, n = 0.0, 0
    with torch.no_grad():
        for window, nxt in test_loader:
            err += criterion(net(window), nxt).item() * len(nxt)
            n += len(nxt)
    print(f"epoch {epoch + 1}, train {loss.item():.4f}, test error {err / n:.4f}")
