# least squares on large features, where a learning rate of 2e-7 is right
import sys
import torch
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
X = torch.rand(500, 3) * 1000
w_true = torch.tensor([0.3, -0.2, 0.5])
y = X @ w_true + torch.randn(500) * 5
w = torch.zeros(3, requires_grad=True)
opt = torch.optim.SGD([w], lr=5e-7, momentum=0.9)
for epoch in range(400):
    loss = ((X @ w - y) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if epoch % 50 == 49:
        print("epoch", epoch + 1, "mse", loss.item(), "w", [round(v, 3) for v in w.tolist()])
