# five-bit parity, pure functions and a dict of parameters, Adam
import sys
import torch

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def init(sizes):
    p = {}
    for k, (i, o) in enumerate(zip(sizes, sizes[1:])):
        p[f"w{k}"] = torch.randn(i, o) * (2 / i) ** 0.5
        p[f"b{k}"] = torch.zeros(o)
    return {k: v.requires_grad_(True) for k, v in p.items()}


def apply(p, x):
    n = len(p) // 2
    for k in range(n):
        x = x @ p[f"w{k}"] + p[f"b{k}"]
        if k < n - 1:
            x = torch.relu(x)
    return x[:, 0]


bits = torch.tensor([[(n >> b) & 1 for b in range(5)] for n in range(32)], dtype=torch.float32) * 2 - 1
label = (bits > 0).sum(1) % 2
params = init([5, 48, 24, 1])
adam = torch.optim.Adam(params.values(), lr=8e-3)
bce = torch.nn.functional.binary_cross_entropy_with_logits
for step in range(1, 401):
    rows = torch.randint(0, 32, (32,))
    noisy = bits[rows] + 0.1 * torch.randn(32, 5)
    loss = bce(apply(params, noisy), label[rows].float())
    adam.zero_grad()
    loss.backward()
    adam.step()
    if step % 80 == 0:
        right = ((apply(params, bits) > 0).long() == label).float().mean().item()
        print("step", step, "loss", round(loss.item(), 4), "right", right)
