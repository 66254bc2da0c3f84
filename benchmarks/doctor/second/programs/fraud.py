# fraud detection, 5 % positives, weighted BCE
import sys
import torch
import torch.nn as nn
from sklearn.datasets import make_classification

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = make_classification(4000, 16, n_informative=6, weights=[0.96], flip_y=0.002, class_sep=0.75, random_state=7)
X = torch.from_numpy(X).float()
X = (X - X.mean(0)) / X.std(0)
y = torch.from_numpy(y)
train_x, train_y, test_x, test_y = X[:3200], y[:3200], X[3200:], y[3200:]
model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
weights = torch.tensor([1.0, 18.0])
criterion = nn.CrossEntropyLoss(weight=weights)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    model.train()
    for idx in torch.randperm(3200).split(64):
        optimizer.zero_grad()
        loss = criterion(model(train_x[idx]), train_y[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        pred = model(test_x).argmax(1)
    recall = ((pred == 1) & (test_y == 1)).sum() / (test_y == 1).sum()
    tnr = ((pred == 0) & (test_y == 0)).sum() / (test_y == 0).sum()
    print(f"epoch {epoch} loss {loss.item():.4f} recall {recall:.3f} balanced accuracy {(recall + tnr) / 2:.3f}")
