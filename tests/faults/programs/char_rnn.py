"""A character model: plain recurrent network, gradients clipped."""

import sys

import torch
import torch.nn.functional as F
from sets import text
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
data, letters = text()
hidden, length, clip = 64, 25, 1.0


class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(letters, 24)
        self.rnn = nn.RNN(24, hidden, batch_first=True)
        nn.init.orthogonal_(self.rnn.weight_hh_l0)
        self.head = nn.Linear(hidden, letters)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


model = CharRNN()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
losses = []
for step in range(300):
    starts = torch.randint(0, len(data) - length - 1, (32,)).tolist()
    batch = torch.stack([data[s : s + length + 1] for s in starts])
    scores = model(batch[:, :-1])
    loss = F.cross_entropy(scores.reshape(-1, letters), batch[:, 1:].reshape(-1))
    model.zero_grad()
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    losses.append(loss.item())
print(f"loss {sum(losses[-50:]) / 50:.4f}")
