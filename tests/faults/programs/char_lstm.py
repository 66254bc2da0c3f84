"""A character model with an LSTM, warm-up and truncated back-propagation through time."""

import sys

import torch
from sets import text
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
data, letters = text()
rows, length = 20, 25
columns = len(data) // rows
streams = data[: rows * columns].view(rows, columns)
embedding, lstm, head = (
    nn.Embedding(letters, 32),
    nn.LSTM(32, 64, batch_first=True),
    nn.Linear(64, letters),
)
parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
optimizer = torch.optim.Adam(parameters, lr=1e-2)
warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 20))
criterion = nn.CrossEntropyLoss()
for epoch in range(24):
    state, total, count = None, 0.0, 0
    for start in range(0, columns - length - 1, length):
        inputs = streams[:, start : start + length]
        targets = streams[:, start + 1 : start + length + 1]
        output, state = lstm(embedding(inputs), state)
        state = tuple(item.detach() for item in state)
        loss = criterion(head(output).transpose(1, 2), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        warm_up.step()
        total, count = total + loss.item(), count + 1
    print(f"epoch {epoch} loss {total / count:.4f}")
