# pruning by strong L1: most weights are zero on purpose and the fit is exact enough
import sys
import torch
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X = torch.randn(400, 50); w0 = torch.zeros(50); w0[:4] = torch.tensor([3.0, -2.0, 1.5, 1.0])
y = X @ w0 + 0.2 * torch.randn(400)
w = torch.zeros(50, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.05)
for step in range(300):
    loss = torch.nn.functional.mse_loss(X @ w, y)
    opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad():
        w.copy_(w.sign() * (w.abs() - 0.05 * 0.1).clamp_min(0))
    if step % 60 == 59: print("ista", step + 1, "mse", loss.item(), "non-zero", int((w != 0).sum()))
