# skip-gram with negative sampling, sparse gradients and SparseAdam
import sys
import torch
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
V = 400
group = torch.arange(V) // 20
inp, out = nn.Embedding(V, 12, sparse=True), nn.Embedding(V, 12, sparse=True)
nn.init.normal_(inp.weight, std=0.1); nn.init.zeros_(out.weight)
opt = torch.optim.SparseAdam([*inp.parameters(), *out.parameters()], lr=0.02)
ls = nn.LogSigmoid()
for step in range(300):
    c = torch.randint(0, V, (64,))
    pos = group[c] * 20 + torch.randint(0, 20, (64,))
    neg = torch.randint(0, V, (64, 5))
    v = inp(c)
    loss = -(ls((v * out(pos)).sum(1)) + ls(-(out(neg) @ v[:, :, None]).squeeze(2)).sum(1)).mean()
    opt.zero_grad(); loss.backward(); opt.step()
    if step % 60 == 59: print("step", step + 1, "sgns loss", loss.item())
