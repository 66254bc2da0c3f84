# InfoNCE with a memory of negatives; loss starts at ln(batch) and stays well above zero
import sys
import torch
import torch.nn.functional as F
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
z = torch.randn(2000, 6)
mixa, mixb = torch.randn(6, 20), torch.randn(6, 20)
va, vb = torch.tanh(z @ mixa) + 0.1 * torch.randn(2000, 20), torch.tanh(z @ mixb) + 0.1 * torch.randn(2000, 20)
fa = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.Linear(48, 8))
fb = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.Linear(48, 8))
logit_scale = nn.Parameter(torch.tensor(1.5))
opt = torch.optim.AdamW([*fa.parameters(), *fb.parameters(), logit_scale], lr=3e-3)
for epoch in range(8):
    for i in torch.randperm(2000).split(64):
        a, b = F.normalize(fa(va[i]), dim=1), F.normalize(fb(vb[i]), dim=1)
        logits = a @ b.T * logit_scale.exp()
        t = torch.arange(len(i))
        loss = (F.cross_entropy(logits, t) + F.cross_entropy(logits.T, t)) / 2
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "clip loss", loss.item(), "retrieval", (logits.argmax(1) == t).float().mean().item())
