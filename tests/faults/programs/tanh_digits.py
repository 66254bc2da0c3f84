"""Ten tanh layers on digits, Xavier initialisation."""

import sys

import torch
from sets import digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
x, y = map(torch.tensor, digits())
sizes = [64] + [50] * 10
layers = []
for before, after in zip(sizes, sizes[1:]):
    linear = nn.Linear(before, after)
    nn.init.xavier_normal_(linear.weight, gain=5 / 3)
    layers += [linear, nn.Tanh()]
model = nn.Sequential(*layers, nn.Linear(50, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
for epoch in range(8):
    for pick in torch.randperm(1300).split(50):
        log_probabilities = model(x[pick]).log_softmax(1)
        loss = -log_probabilities[torch.arange(len(pick)), y[pick]].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(x[1300:]).argmax(1) == y[1300:]).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.4f} accuracy {accuracy:.4f}")
