"""Reinforcement learning: REINFORCE with a value baseline on a small corridor."""

import sys

import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
policy, value = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 2)), nn.Linear(8, 1)
optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=0.01)
eye = torch.eye(8)
for episode in range(150):
    state, states, actions, rewards = 3, [], [], []
    while 0 < state < 7 and len(states) < 40:
        with torch.no_grad():
            action = torch.distributions.Categorical(logits=policy(eye[state])).sample()
        states.append(state)
        actions.append(action)
        state += 1 if action == 1 else -1
        rewards.append(1.0 if state == 7 else -0.02)
    returns = torch.tensor([sum(rewards[i:]) for i in range(len(rewards))])
    seen = eye[torch.tensor(states)]
    estimate = value(seen).squeeze(1)
    chosen = policy(seen).log_softmax(1).gather(1, torch.stack(actions)[:, None])[:, 0]
    loss = (
        -(chosen * (returns - estimate.detach())).mean() + 0.5 * (returns - estimate).pow(2).mean()
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("return", returns[0].item())
