"""A deep network on blobs."""

import sys

import torch
from sklearn.datasets import make_blobs
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = make_blobs(900, centers=3, n_features=8, cluster_std=4, random_state=3)
x = (x - x.mean(0)) / x.std(0)
data = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(y))
train, test = torch.utils.data.random_split(data, [700, 200])
activation = nn.ReLU
layers = [nn.Linear(8, 64), activation()]
for _ in range(11):
    layers += [nn.Linear(64, 64), activation()]
for layer in layers[::2]:
    nn.init.kaiming_normal_(layer.weight)
model = nn.Sequential(*layers, nn.Linear(64, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
for epoch in range(15):
    model.train()
    for inputs, labels in DataLoader(train, batch_size=50, shuffle=True):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        inputs, labels = next(iter(DataLoader(test, batch_size=200)))
        scores = model(inputs)
    print(
        f"epoch {epoch} loss {nn.functional.cross_entropy(scores, labels).item():.4f} accuracy {(scores.argmax(1) == labels).float().mean():.4f}"
    )
