# two layer graph convolution, full batch, block model with 3 communities, 5 % of labels
import sys
import torch
import torch.nn.functional as F

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
g = torch.Generator().manual_seed(3)
n = 150
lab = torch.arange(n) % 3
prob = torch.where(lab[:, None] == lab[None], 0.2, 0.03)
A = (torch.rand(n, n, generator=g) < prob).float().triu(1)
A = A + A.T + torch.eye(n)
d = A.sum(1).rsqrt()
Ahat = d[:, None] * A * d[None]
feat = torch.eye(n)
train_mask = torch.zeros(n, dtype=torch.bool)
train_mask[:24] = True


class GCN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.W0 = torch.nn.Parameter(torch.empty(n, 16))
        self.W1 = torch.nn.Parameter(torch.empty(16, 3))
        torch.nn.init.xavier_uniform_(self.W0)
        torch.nn.init.xavier_uniform_(self.W1)

    def forward(self, x):
        h = F.relu(Ahat @ x @ self.W0)
        h = F.dropout(h, 0.5, training=self.training)
        return F.log_softmax(Ahat @ h @ self.W1, dim=1)


model = GCN()
opt = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(200):
    model.train()
    opt.zero_grad()
    loss = F.nll_loss(model(feat)[train_mask], lab[train_mask])
    loss.backward()
    opt.step()
    if epoch % 20 == 19:
        model.eval()
        with torch.no_grad():
            acc = (model(feat).argmax(1) == lab)[~train_mask].float().mean()
        print(f"epoch {epoch + 1:3d} loss {loss.item():.3f} acc {acc.item():.3f}")
