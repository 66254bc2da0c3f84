import sys, copy
import torch
import torch.nn as nn
import torch.nn.functional as F

# BYOL/mean-teacher like self distillation: student, predictor, EMA teacher with stop-gradient
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
g = torch.Generator().manual_seed(8)
means = torch.randn(5, 20, generator=g) * 2
x = means[torch.randint(0, 5, (1500,), generator=g)] + torch.randn(1500, 20, generator=g)
student = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16))
predictor = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)
opt = torch.optim.SGD([*student.parameters(), *predictor.parameters()], lr=0.05, momentum=0.9, weight_decay=1e-4)


def view(b):
    return b + 0.5 * torch.randn_like(b)


for epoch in range(8):
    tot = 0
    for b in x[torch.randperm(1500)].split(60):
        p = predictor(student(view(b)))
        with torch.no_grad():
            z = teacher(view(b))
        loss = 2 - 2 * F.cosine_similarity(p, z, dim=-1).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        with torch.no_grad():
            for a, c in zip(teacher.parameters(), student.parameters()):
                a.mul_(0.98).add_(c, alpha=0.02)
        tot += loss.item()
    print(f"{epoch} byol loss {tot / 25:.4f}")
