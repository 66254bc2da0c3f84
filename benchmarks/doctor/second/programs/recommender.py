# matrix factorisation with biases, ratings 1..5
import sys
import numpy as np
import torch

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rng = np.random.default_rng(77)
U, I, K = 120, 80, 3
pu, qi = rng.normal(0, 0.7, (U, K)), rng.normal(0, 0.7, (I, K))
users = torch.tensor(rng.integers(0, U, 5000))
items = torch.tensor(rng.integers(0, I, 5000))
ratings = torch.tensor(np.clip(3 + (pu[users] * qi[items]).sum(1) + rng.normal(0, 0.2, 5000), 1, 5), dtype=torch.float32)


class MF(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.user_factors = torch.nn.Embedding(U, 6)
        self.item_factors = torch.nn.Embedding(I, 6)
        self.user_bias = torch.nn.Embedding(U, 1)
        self.item_bias = torch.nn.Embedding(I, 1)
        for e in (self.user_factors, self.item_factors):
            torch.nn.init.normal_(e.weight, std=0.3)
        self.mean = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, u, i):
        dot = (self.user_factors(u) * self.item_factors(i)).sum(1, keepdim=True)
        return (dot + self.user_bias(u) + self.item_bias(i) + self.mean).squeeze(1)


mf = MF()
opt = torch.optim.Adam(mf.parameters(), lr=0.02, weight_decay=1e-5)
mse = torch.nn.MSELoss()
for epoch in range(10):
    for b in torch.randperm(4400).split(100):
        opt.zero_grad()
        loss = mse(mf(users[b], items[b]), ratings[b])
        loss.backward()
        opt.step()
    with torch.no_grad():
        v = mse(mf(users[4400:], items[4400:]), ratings[4400:]).sqrt().item()
    print("epoch %d train mse %.4f rmse %.4f" % (epoch, loss.item(), v))
