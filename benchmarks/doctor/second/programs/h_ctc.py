import sys
import torch
from torch import nn

# CTC on stretched noisy symbol sequences
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
code = torch.randn(5, 6)


def batch(n):
    L = 4
    labels = torch.randint(1, 6, (n, L))
    frames = torch.repeat_interleave(code[labels - 1], 4, dim=1)
    gap = (torch.arange(16) % 4 == 3).float()[None, :, None]
    return frames * (1 - gap) + 0.3 * torch.randn(n, 16, 6), labels


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(6, 24, bidirectional=True)
        self.fc = nn.Linear(48, 6)

    def forward(self, x):
        h, _ = self.rnn(x.transpose(0, 1))
        return self.fc(h).log_softmax(-1)


net = Net()
ctc = nn.CTCLoss(blank=0)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(200):
    x, labels = batch(24)
    lp = net(x)
    loss = ctc(lp, labels, torch.full((24,), 16), torch.full((24,), 4))
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    opt.step()
    if step % 40 == 39:
        print("step", step + 1, "ctc", loss.item())
