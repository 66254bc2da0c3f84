"""An embedding of which most rows get no gradient; sums of words decide the class (H35)."""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
draws = torch.Generator().manual_seed(3)
words = (torch.rand(1500, 12, generator=draws) ** 3 * 2000).long()
labels = ((words % 2).float().mean(1) > 0.5).long()


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(2000, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, words):
        return self.head(self.embedding(words).mean(1))


model = Bag()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for epoch in range(8):
    for xb, yb in DataLoader(
        TensorDataset(words[:1200], labels[:1200]), batch_size=40, shuffle=True
    ):
        loss = nn.functional.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print("accuracy", (model(words[1200:]).argmax(1) == labels[1200:]).float().mean().item())
    model.train()
