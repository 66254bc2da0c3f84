"""A small transformer on text (H24), with a causal mask and weight tying."""

import sys

import torch
import torch.nn.functional as F
from sets import text
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
data, letters = text()
length, width = 24, 48


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.letter, self.place = nn.Embedding(letters, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 96, dropout=0.1, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, letters, bias=False)
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1))

    def forward(self, x, targets=None):
        h = self.letter(x) + self.place(torch.arange(length))
        scores = self.head(self.body(h, mask=self.mask))
        return scores, F.cross_entropy(scores.view(-1, letters), targets.reshape(-1))


model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1, betas=(0.9, 0.95))
for step in range(200):
    starts = torch.randint(0, len(data) - length - 1, (24,)).tolist()
    batch = torch.stack([data[s : s + length + 1] for s in starts])
    _, loss = model(batch[:, :-1], batch[:, 1:])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
print("loss", loss.item())
