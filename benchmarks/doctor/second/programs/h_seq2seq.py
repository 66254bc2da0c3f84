# GRU encoder-decoder that reverses sequences; teacher forcing, padding ignored
import sys
import torch
from torch import nn
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
PAD, BOS = 0, 1
def batch(n):
    L = torch.randint(3, 6, (n,))
    src = torch.zeros(n, 5, dtype=torch.long); tgt = torch.zeros(n, 5, dtype=torch.long)
    for i, l in enumerate(L):
        w = torch.randint(2, 8, (int(l),))
        src[i, :l] = w; tgt[i, :l] = w.flip(0)
    return src, tgt, L
class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 16, padding_idx=PAD)
        self.enc = nn.GRU(16, 48, batch_first=True)
        self.dec = nn.GRU(16, 48, batch_first=True)
        self.out = nn.Linear(48, 8)
    def forward(self, src, L, tgt_in):
        packed = nn.utils.rnn.pack_padded_sequence(self.emb(src), L, batch_first=True, enforce_sorted=False)
        _, h = self.enc(packed)
        y, _ = self.dec(self.emb(tgt_in), h)
        return self.out(y)
net = Seq2Seq()
crit = nn.CrossEntropyLoss(ignore_index=PAD)
opt = torch.optim.Adam(net.parameters(), 1e-2)
for step in range(1, 261):
    src, tgt, L = batch(32)
    tin = torch.cat([torch.full((32, 1), BOS), tgt[:, :-1]], 1)
    out = net(src, L, tin)
    loss = crit(out.reshape(-1, 8), tgt.reshape(-1))
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step()
    if step % 65 == 0:
        print("step", step, "loss", loss.item(), "token acc", ((out.argmax(-1) == tgt) & (tgt != PAD)).sum().item() / (tgt != PAD).sum().item())
