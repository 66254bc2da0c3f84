# character language model on the text of Python's own licence / docstrings
import sys
import argparse as _argparse_module
import collections
import torch
from torch import nn
from torch.nn import functional as F

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(SEED)
text = open(_argparse_module.__file__, encoding="utf-8").read()[:40000]
text = text + open(collections.__file__, encoding="utf-8").read()[:20000]
chars = sorted(set(text))
stoi = {c: i for i, c in enumerate(chars)}
data = torch.tensor([stoi[c] for c in text])
n = int(0.9 * len(data))
train_data, val_data = data[:n], data[n:]
BLOCK, BATCH = 32, 24


def get_batch(source):
    ix = torch.randint(len(source) - BLOCK - 1, (BATCH,))
    x = torch.stack([source[i:i + BLOCK] for i in ix])
    y = torch.stack([source[i + 1:i + BLOCK + 1] for i in ix])
    return x, y


class CharModel(nn.Module):
    def __init__(self, vocab, dim=32, hidden=64):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.proj = nn.Linear(hidden, vocab)

    def forward(self, x, y=None):
        h, _ = self.lstm(self.emb(x))
        logits = self.proj(h)
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), y.reshape(-1))


model = CharModel(len(chars))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for it in range(240):
    xb, yb = get_batch(train_data)
    _, loss = model(xb, yb)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if it % 40 == 39:
        with torch.no_grad():
            v = sum(model(*get_batch(val_data))[1].item() for _ in range(5)) / 5
        print(f"iter {it + 1}: train loss {loss.item():.4f}, val loss {v:.4f}")
