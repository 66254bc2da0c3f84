"""Small DQN with replay buffer and target network on a grid of 5 x 5."""
import random
import sys
from collections import deque
import torch
from torch import nn
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed); random.seed(seed)
moves = [(0, 1), (0, -1), (1, 0), (-1, 0)]
def enc(s):
    v = torch.zeros(25); v[s[0] * 5 + s[1]] = 1; return v
q = nn.Sequential(nn.Linear(25, 32), nn.ReLU(), nn.Linear(32, 4))
target = nn.Sequential(nn.Linear(25, 32), nn.ReLU(), nn.Linear(32, 4))
target.load_state_dict(q.state_dict())
opt = torch.optim.Adam(q.parameters(), 3e-3)
memory = deque(maxlen=2000)
returns = []
steps = 0
for episode in range(60):
    s, total = (0, 0), 0.0
    for t in range(25):
        eps = max(0.05, 1 - steps / 500)
        a = random.randrange(4) if random.random() < eps else q(enc(s)).argmax().item()
        s2 = (min(4, max(0, s[0] + moves[a][0])), min(4, max(0, s[1] + moves[a][1])))
        done = s2 == (4, 4)
        r = 1.0 if done else -0.02
        memory.append((enc(s), a, r, enc(s2), float(done)))
        s, total, steps = s2, total + r, steps + 1
        if len(memory) >= 64 and steps % 2 == 0:
            S, A, R, S2, Dn = zip(*random.sample(memory, 32))
            with torch.no_grad():
                y = torch.tensor(R) + 0.95 * (1 - torch.tensor(Dn)) * target(torch.stack(S2)).max(1).values
            loss = nn.functional.smooth_l1_loss(q(torch.stack(S))[torch.arange(32), torch.tensor(A)], y)
            opt.zero_grad(); loss.backward(); opt.step()
        if steps % 60 == 0:
            target.load_state_dict(q.state_dict())
        if done:
            break
    returns.append(total)
    if episode % 10 == 9:
        print("episode", episode + 1, "mean return", sum(returns[-10:]) / 10)
