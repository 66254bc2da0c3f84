"""Scripts that the tests run watched and unwatched."""

HASH = """
import hashlib
digest = hashlib.sha256()
for parameter in net.state_dict().values():
    digest.update(parameter.numpy().tobytes())
print(digest.hexdigest(), torch.rand(1).item(), torch.initial_seed())
"""

CLASSIFIER = (
    """
import sys
import torch
from torch import nn
torch.manual_seed(3)
torch.set_num_threads(1)
x, y = torch.randn(160, 1, 8, 8), torch.randint(0, 4, (160,))
net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(216, 4))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=20, shuffle=True)
for epoch in range(4):
    net.train()
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(xb + 0.1 * torch.randn_like(xb)), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    scheduler.step()
    net.eval()
    with torch.no_grad():
        print(epoch, loss.item(), nn.functional.cross_entropy(net(x), y).item())
"""
    + HASH
)

CLOSURE = (
    """
import torch
from torch import nn
torch.manual_seed(1)
torch.set_num_threads(1)
x = torch.randn(60, 5)
y = x @ torch.randn(5, 1)
net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = torch.optim.LBFGS(net.parameters(), max_iter=4)
def closure():
    optimizer.zero_grad()
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    return loss
for _ in range(12):
    print(optimizer.step(closure).item())
"""
    + HASH
)

BY_HAND = (
    """
import torch
torch.manual_seed(1)
torch.set_num_threads(1)
net = torch.nn.Linear(5, 3)
x, y = torch.randn(64, 5), torch.randint(0, 3, (64,))
for step in range(40):
    scores = net(x).log_softmax(1)
    loss = -scores.gather(1, y[:, None]).mean()
    loss.backward()
    for p in net.parameters():
        p.data -= 0.5 * p.grad
        p.grad = None
    if step % 10 == 0: print(loss.item())
"""
    + HASH
)

CHECKPOINTED = (
    """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
torch.manual_seed(1)
torch.set_num_threads(1)
first, second = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2)), nn.Linear(16, 2)
net = nn.ModuleList([first, second])
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(40, 6), torch.randint(0, 2, (40,))
for step in range(20):
    loss = nn.functional.cross_entropy(second(checkpoint(first, x, use_reentrant=False)), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
"""
    + HASH
)

ACCUMULATING = (
    """
import torch
from torch import nn
torch.manual_seed(1)
torch.set_num_threads(1)
net = nn.Linear(6, 2)
ema = [p.detach().clone() for p in net.parameters()]
optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
x, y = torch.randn(96, 6), torch.randint(0, 2, (96,))
for step in range(30):
    for part in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(net(x[part::3]), y[part::3]) / 3
        loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    with torch.no_grad():
        for average, p in zip(ema, net.parameters()):
            average.lerp_(p, 0.1)
print(ema[0].sum().item())
"""
    + HASH
)

COMPILED = (
    """
import torch
from torch import nn
torch.manual_seed(1)
torch.set_num_threads(1)
net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
fast = torch.compile(net, backend="eager")
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
x, y = torch.randn(96, 6), torch.randint(0, 2, (96,))
for step in range(12):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(fast(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
"""
    + HASH
)

SCRIPTED = (
    """
import torch
from torch import nn
torch.manual_seed(1)
torch.set_num_threads(1)
@torch.jit.script
def loss_of(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(scores, y)
net = nn.Linear(6, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(40, 6), torch.randint(0, 2, (40,))
for step in range(10):
    optimizer.zero_grad()
    loss = loss_of(net(x), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
"""
    + HASH
)

ALL = {
    "compiled": COMPILED,
    "scripted": SCRIPTED,
    "classifier": CLASSIFIER,
    "closure": CLOSURE,
    "by-hand": BY_HAND,
    "checkpointed": CHECKPOINTED,
    "accumulating": ACCUMULATING,
}
