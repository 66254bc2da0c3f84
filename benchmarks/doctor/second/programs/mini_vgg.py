import gzip, os, sys
import numpy as np
import torch, torch.nn as nn

# VGG style network without normalisation layers on a slice of Fashion-MNIST
folder = os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

def load(kind, n):
    with gzip.open(f"{folder}/{kind}-images-idx3-ubyte.gz", "rb") as f:
        x = np.frombuffer(f.read(16 + 784 * n)[16:], dtype=np.uint8).reshape(n, 1, 28, 28)
    with gzip.open(f"{folder}/{kind}-labels-idx1-ubyte.gz", "rb") as f:
        y = np.frombuffer(f.read(8 + n)[8:], dtype=np.uint8)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.long)

x_train, y_train = load("train", 1600)
x_test, y_test = load("t10k", 400)
mean, std = x_train.mean(), x_train.std()
x_train = (x_train - mean) / std
x_test = (x_test - mean) / std

def stage(i, o):
    return [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]

model = nn.Sequential(nn.AvgPool2d(2), *stage(1, 12), *stage(12, 24), nn.Flatten(), nn.Linear(24 * 9, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))
for m in model.modules():
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
        nn.init.zeros_(m.bias)
loss_func = nn.CrossEntropyLoss()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
bs = 32
for epoch in range(5):
    model.train()
    perm = torch.randperm(len(x_train))
    for i in range(0, len(perm), bs):
        xb, yb = x_train[perm[i:i+bs]], y_train[perm[i:i+bs]]
        pred = model(xb)
        loss = loss_func(pred, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        out = model(x_test)
        print("epoch", epoch, "train", loss.item(), "test", loss_func(out, y_test).item(), "acc:", (out.argmax(1) == y_test).float().mean().item())
