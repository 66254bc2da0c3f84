import sys
import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = load_diabetes(return_X_y=True, scaled=False)
X = torch.tensor(X, dtype=torch.float32)
X = (X - X.mean(dim=0)) / X.std(dim=0)
y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
y_mean, y_std = y.mean(), y.std()
y = (y - y_mean) / y_std
rows = torch.randperm(442, generator=torch.Generator().manual_seed(0))
train_rows, test_rows = rows[:342], rows[342:]
train_loader = DataLoader(TensorDataset(X[train_rows], y[train_rows]), batch_size=32, shuffle=True)


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        return self.fc2(x)


model = Regressor()
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=1e-3)
for epoch in range(25):
    model.train()
    epoch_loss = 0.0
    for inputs, targets in train_loader:
        outputs = model(inputs)
        loss = loss_fn(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() * inputs.size(0)
    model.eval()
    with torch.no_grad():
        p = model(X[test_rows])
        test_loss = loss_fn(p, y[test_rows]).item()
    print("Epoch {}/25 train loss {:.4f} test loss {:.4f}".format(epoch + 1, epoch_loss / 342, test_loss))
