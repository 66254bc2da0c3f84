import sys
import torch
import torch.nn as nn
# multi label tagging of synthetic bag of words
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
gen = torch.Generator().manual_seed(9)
V, K, N = 60, 6, 1500
topics = torch.rand(K, V, generator=gen) ** 4
Y = (torch.rand(N, K, generator=gen) < 0.3).float()
rate = 0.3 + Y @ topics * 3
X = torch.log1p(torch.poisson(rate, generator=gen))
Xtr, Ytr, Xva, Yva = X[:1200], Y[:1200], X[1200:], Y[1200:]

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(V, 40)
        self.act = nn.GELU()
        self.tags = nn.Linear(40, K)
    def forward(self, x):
        x = self.hidden(x)
        x = self.act(x)
        return self.tags(x)

model = Tagger()
loss_function = nn.BCEWithLogitsLoss()
opt = torch.optim.RMSprop(model.parameters(), lr=2e-3)
for e in range(15):
    order = torch.randperm(1200)
    for b in range(0, 1200, 30):
        xb = Xtr[order[b:b+30]]
        yb = Ytr[order[b:b+30]]
        logits = model(xb)
        loss = loss_function(logits, yb)
        model.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        pr = model(Xva) > 0
        tp = (pr & (Yva > 0)).sum().item()
        f1 = 2 * tp / max(1, (pr.sum() + Yva.sum()).item())
        vl = loss_function(model(Xva), Yva).item()
    print(e, 'val loss', round(vl, 4), 'f1', round(f1, 4))
