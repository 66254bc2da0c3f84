import sys
import torch
from torch import nn
from sklearn.datasets import make_blobs
# two optimisers: network by SGD, class centres by their own optimiser (center loss)
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X, y = make_blobs(1200, 6, centers=5, cluster_std=3.0, random_state=5)
X, y = torch.tensor((X - X.mean(0)) / X.std(0)).float(), torch.tensor(y).long()
body = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
head = nn.Linear(3, 5)
centres = nn.Parameter(torch.randn(5, 3))
opt_net = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.05, momentum=0.9)
opt_centres = torch.optim.SGD([centres], lr=0.5)
for epoch in range(10):
    for i in torch.randperm(1000).split(50):
        f = body(X[i])
        xent = nn.functional.cross_entropy(head(f), y[i])
        pull = ((f - centres[y[i]]) ** 2).sum(1).mean()
        loss = xent + 0.05 * pull
        opt_net.zero_grad()
        opt_centres.zero_grad()
        loss.backward()
        for p in [centres]:
            p.grad.mul_(1 / 0.05)
        opt_net.step()
        opt_centres.step()
    print("epoch", epoch, "xent", xent.item(), "acc", (head(body(X[1000:])).argmax(1) == y[1000:]).float().mean().item())
