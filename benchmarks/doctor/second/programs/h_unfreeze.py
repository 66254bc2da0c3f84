"""Progressive unfreezing of a pre-trained stack with discriminative learning rates."""
import sys
import torch
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
g = torch.Generator().manual_seed(6)
P = torch.randn(16, 3, generator=g)
x = torch.randn(2000, 16, generator=g)
src = (x @ P).argmax(1)
tgt = (x @ (P + 0.5 * torch.randn(16, 3, generator=g))).argmax(1)
body = nn.ModuleList([nn.Linear(16, 48), nn.Linear(48, 32)])
head = nn.Linear(32, 3)


def forward(b):
    for layer in body:
        b = torch.relu(layer(b))
    return head(b)


def train(params, labels, steps, rows):
    opt = torch.optim.AdamW(params)
    for s in range(steps):
        i = rows[torch.randint(len(rows), (40,))]
        loss = nn.functional.cross_entropy(forward(x[i]), labels[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        print("loss", round(loss.item(), 4), "acc", (forward(x[1600:]).argmax(1) == labels[1600:]).float().mean().item())


train([{"params": [*body.parameters(), *head.parameters()], "lr": 3e-3}], src, 200, torch.arange(1000))
nn.init.kaiming_uniform_(head.weight)
for layer in body:
    layer.requires_grad_(False)
train([{"params": head.parameters(), "lr": 5e-3}], tgt, 80, torch.arange(1000, 1600))
body[1].requires_grad_(True)
train([{"params": head.parameters(), "lr": 2e-3}, {"params": body[1].parameters(), "lr": 5e-4}], tgt, 80, torch.arange(1000, 1600))
body[0].requires_grad_(True)
train([{"params": head.parameters(), "lr": 1e-3}, {"params": body.parameters(), "lr": 2e-4}], tgt, 80, torch.arange(1000, 1600))
