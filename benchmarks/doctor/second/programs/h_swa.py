import sys, torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X = torch.randn(1000, 10); Y = (X[:, 0] * X[:, 1] > 0).long()
dl = DataLoader(TensorDataset(X[:800], Y[:800]), 40, shuffle=True)
net = nn.Sequential(nn.Linear(10, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 2))
avg = AveragedModel(net)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
swa = SWALR(opt, swa_lr=0.03, anneal_epochs=3)
for ep in range(14):
    net.train()
    for x, y in dl:
        opt.zero_grad(); loss = nn.functional.cross_entropy(net(x), y); loss.backward(); opt.step()
    if ep >= 8:
        avg.update_parameters(net); swa.step()
    print("ep", ep, "loss", round(loss.item(), 4))
update_bn(dl, avg)
avg.eval()
print("swa acc", (avg(X[800:]).argmax(1) == Y[800:]).float().mean().item())
