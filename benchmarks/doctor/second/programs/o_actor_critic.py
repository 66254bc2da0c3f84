import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
# one-step bandit with context; shared trunk, actor + critic + entropy bonus
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
best = torch.tensor([2, 0, 3, 1])
trunk = nn.Linear(4, 32); actor = nn.Linear(32, 4); critic = nn.Linear(32, 1)
opt = torch.optim.RMSprop([*trunk.parameters(), *actor.parameters(), *critic.parameters()], lr=3e-3)
mean = 0
for it in range(400):
    c = torch.randint(0, 4, (16,))
    h = torch.tanh(trunk(F.one_hot(c, 4).float()))
    pi = torch.distributions.Categorical(logits=actor(h))
    a = pi.sample()
    r = (a == best[c]).float() + 0.1 * torch.randn(16)
    v = critic(h).squeeze(-1)
    adv = r - v.detach()
    loss = -(pi.log_prob(a) * adv).mean() + 0.5 * F.mse_loss(v, r) - 0.01 * pi.entropy().mean()
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_([*trunk.parameters(), *actor.parameters()], 0.5); opt.step()
    mean = 0.97 * mean + 0.03 * r.mean().item()
    if it % 80 == 79:
        print("update", it + 1, "reward", round(mean, 3))
