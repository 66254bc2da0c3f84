import sys
import torch
from sklearn.datasets import fetch_openml, load_digits  # noqa: F401
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
data = load_digits()
xs = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16.0
ys = torch.tensor(data.target)
train = TensorDataset(xs[:1440], ys[:1440])
val = TensorDataset(xs[1440:], ys[1440:])
model = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.GroupNorm(3, 12), nn.SiLU(), nn.MaxPool2d(2),
                      nn.Conv2d(12, 24, 3, padding=1), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
accum_steps = 4
for epoch in range(8):
    optimizer.zero_grad()
    for i, (x, t) in enumerate(DataLoader(train, 12, shuffle=True)):
        loss = nn.functional.cross_entropy(model(x), t) / accum_steps
        loss.backward()
        if (i + 1) % accum_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
    correct = sum((model(x).argmax(1) == t).sum().item() for x, t in DataLoader(val, 128))
    print(f"Epoch {epoch + 1}, loss {loss.item() * accum_steps:.4f}, val acc {correct / len(val):.3f}")
