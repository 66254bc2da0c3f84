# remember the first symbol of a sequence; LSTM
import sys
import torch
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
LENGTH, HIDDEN = 25, 24


def batch(size):
    s = torch.randint(0, 4, (size, LENGTH))
    return nn.functional.one_hot(s, 4).float(), s[:, 0]


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(4, HIDDEN, batch_first=True)
        self.cell.bias_hh_l0.data[HIDDEN:2 * HIDDEN] = 2.0
        self.readout = nn.Linear(HIDDEN, 4)

    def forward(self, x):
        out, _ = self.cell(x)
        return self.readout(out[:, -1])


model = Memory()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(1, 251):
    x, y = batch(32)
    loss = nn.CrossEntropyLoss()(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0:
        with torch.no_grad():
            x, y = batch(300)
            print("step", step, "loss", round(loss.item(), 4), "accuracy", (model(x).argmax(1) == y).float().mean().item())
