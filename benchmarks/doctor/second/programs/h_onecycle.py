import sys
import torch
import torch.nn.functional as F
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
# separable 2-d gratings by orientation, channels-last numpy style data, LeakyReLU conv net, OneCycle
theta = torch.randint(0, 6, (1200,))
yy, xx = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
ang = theta[:, None, None] * torch.pi / 6
img = torch.sin(1.2 * (xx * ang.cos() + yy * ang.sin()) + torch.rand(1200, 1, 1) * 6.28) + 0.5 * torch.randn(1200, 16, 16)
img = img[:, None]
c1 = torch.nn.Conv2d(1, 12, 5, bias=False); c2 = torch.nn.Conv2d(12, 24, 3, bias=False); fc = torch.nn.Linear(24 * 4, 6)
ps = [p for m in (c1, c2, fc) for p in m.parameters()]
opt = torch.optim.SGD(ps, lr=0.01, momentum=0.9, weight_decay=1e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=150)

def forward(z):
    z = F.leaky_relu(F.max_pool2d(c1(z), 2), 0.1)
    z = F.leaky_relu(F.max_pool2d(c2(z), 2), 0.1)
    return fc(z.flatten(1))

it = iter([])
for step in range(150):
    sel = torch.randint(0, 1000, (40,))
    loss = F.cross_entropy(forward(img[sel]), theta[sel])
    opt.zero_grad(); loss.backward(); opt.step(); sched.step()
    if (step + 1) % 25 == 0:
        with torch.no_grad():
            print("step", step + 1, "loss", round(loss.item(), 3), "acc", (forward(img[1000:]).argmax(1) == theta[1000:]).float().mean().item())
