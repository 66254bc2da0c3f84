import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
digits = load_digits()
X = torch.FloatTensor(digits.data)
X = (X - X.mean()) / X.std()
y = torch.LongTensor(digits.target)
g = torch.Generator().manual_seed(42)
p = torch.randperm(len(X), generator=g)
train_idx, test_idx = p[:1400], p[1400:]

WIDTHS = [64, 64, 64, 48, 32]


class DeepNet(nn.Module):
    def __init__(self):
        super(DeepNet, self).__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(WIDTHS[:-1], WIDTHS[1:]))
        self.final = nn.Linear(WIDTHS[-1], 10)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
        return F.log_softmax(self.final(x), dim=1)


net = DeepNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(1, 13):
    net.train()
    shuffled = train_idx[torch.randperm(len(train_idx))]
    epoch_loss = 0
    for k in range(0, len(shuffled), 32):
        rows = shuffled[k:k + 32]
        log_probs = net(X[rows])
        loss = F.nll_loss(log_probs, y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    net.eval()
    with torch.no_grad():
        acc = (net(X[test_idx]).argmax(1) == y[test_idx]).float().mean().item()
    print(f"Epoch {epoch}: loss = {epoch_loss / 44:.4f}, test accuracy = {acc:.4f}")
