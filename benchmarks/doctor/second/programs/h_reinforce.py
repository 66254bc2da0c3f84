"""REINFORCE on a corridor of seven cells: go right, ten steps."""
import sys
import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(7, 24)
        self.dropout = nn.Dropout(p=0.1)
        self.affine2 = nn.Linear(24, 2)

    def forward(self, s):
        return torch.softmax(self.affine2(torch.relu(self.dropout(self.affine1(s)))), -1)


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
average = 0
for episode in range(160):
    state, logs, rewards = 3, [], []
    for t in range(10):
        onehot = torch.zeros(7)
        onehot[state] = 1
        m = Categorical(policy(onehot))
        action = m.sample()
        logs.append(m.log_prob(action))
        state += 1 if action.item() == 1 else -1
        rewards.append(1.0 if state >= 6 else -0.1)
        if state in (0, 6):
            break
    R, returns = 0, []
    for r in rewards[::-1]:
        R = r + 0.95 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = returns - average
    average = 0.9 * average + 0.1 * R
    loss = torch.stack([-l * g for l, g in zip(logs, returns)]).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if episode % 20 == 19:
        print(f"Episode {episode + 1}\tlast reward: {sum(rewards):.2f}\taverage: {average:.2f}")
