"""A model with several heads weighs their losses itself; the main one is measured."""

import pytest
import torch
from torch import nn

from gradatim.training import train


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.main, self.side = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return (self.main(x), self.side(x)) if self.training else self.main(x)

    def training_loss(self, outputs, targets, loss):
        return loss(outputs[0], targets) + 0.5 * loss(outputs[1], targets)


def test_every_head_learns_and_the_main_one_is_measured():
    torch.manual_seed(0)
    inputs = torch.randn(96, 3)
    targets = (inputs[:, 0] > 0).long()
    batches = [(inputs[i : i + 16], targets[i : i + 16]) for i in range(0, 96, 16)]
    model = TwoHeads()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = model.training_loss(model(batches[0][0]), batches[0][1], nn.functional.cross_entropy)
    losses = []

    class Watch:
        def begin(self, model, optimiser): ...

        def step(self, step, loss, outputs, targets):
            losses.append(loss.item())
            assert outputs.shape == (16, 2)

        def end(self): ...

    trained = train(
        model, batches, validation=batches, epochs=20, learning_rate=0.05,
        loss="cross-entropy", schedule="constant", watch=Watch(),
    )  # fmt: skip
    assert losses[0] == pytest.approx(first.item(), rel=1e-3)
    assert trained.best["accuracy"] > 0.9
    assert all(not torch.equal(before[name], value) for name, value in model.state_dict().items())
