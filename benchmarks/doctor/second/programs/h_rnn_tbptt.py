# stateful char RNN, truncated back-propagation through time with detached state, sequential batches
import sys
import textwrap
import inspect
import torch
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
raw = inspect.getsource(textwrap)[:16000].lower()
symbols = sorted(set(raw))
code = torch.tensor([symbols.index(c) for c in raw])
B, T = 16, 20
n = len(code) // B
stream = code[: n * B].view(B, n).t()


def repackage_hidden(h):
    return h.detach()


class RNNModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(len(symbols), 24)
        self.rnn = nn.GRU(24, 64)
        self.decoder = nn.Linear(64, len(symbols))

    def forward(self, x, h):
        out, h = self.rnn(self.encoder(x), h)
        return self.decoder(out).view(-1, len(symbols)), h


model = RNNModel()
opt = torch.optim.Adam(model.parameters(), 8e-3)
for epoch in range(4):
    hidden = torch.zeros(1, B, 64)
    total = 0
    for k in range(0, n - T - 1, T):
        hidden = repackage_hidden(hidden)
        model.zero_grad()
        out, hidden = model(stream[k:k + T], hidden)
        loss = nn.functional.cross_entropy(out, stream[k + 1:k + T + 1].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        opt.step()
        total += loss.item()
    print(f"| epoch {epoch} | loss {total / ((n - T - 1) // T + 1):.3f}")
