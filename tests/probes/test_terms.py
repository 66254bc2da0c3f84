"""What the graph behind a loss says of its terms."""

import pytest
import torch
from torch import nn

from gradatim.probes.activations import layers
from gradatim.probes.criteria import by_hand
from gradatim.probes.graph import addends, several_terms, walk

F = nn.functional


def losses():
    """Return losses of all kinds by name: the loss, the criteria called, several terms or not."""
    torch.manual_seed(0)
    x, y, labels = torch.randn(16, 4), torch.randn(16, 2), torch.randint(0, 2, (16,))
    layer = nn.Linear(4, 2)
    out = layer(x)
    fit, each = F.mse_loss(out, y), F.mse_loss(out, y, reduction="none")
    entropy = F.cross_entropy(out, labels)
    size = sum(p.square().sum() for p in layer.parameters())
    rows = [(out[i] - y[i]).square().mean() for i in range(4)]
    return {
        "one": (fit, [fit], False),
        "scaled": (0.5 * fit / 3, [fit], False),
        "with a penalty": (fit + 0.1 * size, [fit], False),
        "two criteria": (fit + entropy, [fit, entropy], False),
        "with what the model put out": (fit + 0.1 * out.abs().mean(), [fit], True),
        "stacked": (torch.stack([fit, out.mean()]).sum(), [fit], True),
        "added sample by sample": ((each + out.exp()).mean(), [each], True),
        "by hand": ((out - y).square().mean(), [], False),
        "by hand, added in a loop": (sum(rows), [], False),
        "by hand, stacked": (torch.stack(rows).mean(), [], False),
        "by hand, with a penalty": ((out - y).square().mean() + size, [], False),
        "by hand, two": ((out - y).square().mean() - out.exp().mean(), [], True),
    }


@pytest.mark.parametrize("name", losses())
def test_terms_beside_the_criteria_are_seen(name):
    loss, called, several = losses()[name]
    criteria = {item.grad_fn._sequence_nr() for item in called}
    assert several_terms(walk(loss), criteria) is several


def test_a_sum_is_taken_apart_and_its_factors_known():
    torch.manual_seed(0)
    out = nn.Linear(4, 3)(torch.randn(16, 4))
    one, two = out.square().mean(), out.abs().mean()
    loss = 0.5 * (one - 3 * two) / 4 + torch.stack([one.exp(), two]).mean() + out.norm() * out.std()
    found = {(node.operation, round(factor, 4)) for node, factor in addends(walk(loss))}
    assert found == {("Mean", 0.125), ("Mean", -0.375), ("Exp", 0.5), ("Mean", 0.5), ("Mul", 1.0)}


def test_each_term_written_by_hand_is_read_and_the_readings_make_up_the_loss():
    torch.manual_seed(0)
    x, y, labels = torch.randn(16, 4), torch.randn(16), torch.randint(0, 3, (16,))
    body = nn.Linear(4, 8)
    scores, size = nn.Linear(8, 3)(body(x)), nn.Linear(8, 1)(body(x)).squeeze(1)
    picked = scores[torch.arange(16), labels]
    loss = (scores.logsumexp(1) - picked).mean() + 0.5 * (size - y).pow(2).sum()
    outputs = [(item.grad_fn._sequence_nr(), item.detach()) for item in (scores, size)]
    entropy, squares = sorted(by_hand(walk(loss), outputs), key=lambda reading: reading["name"])
    assert entropy["labels"] == torch.bincount(labels, minlength=3).tolist()
    assert entropy["value"] == pytest.approx(F.cross_entropy(scores, labels).item(), rel=1e-5)
    assert squares["value"] == pytest.approx(F.mse_loss(size, y).item(), rel=1e-5)
    assert squares["constant"] == pytest.approx(y.var(correction=0).item(), rel=1e-4)
    whole = sum(reading["factor"] * reading["value"] for reading in (entropy, squares))
    assert whole == pytest.approx(loss.item(), rel=1e-5)


class Paths(nn.Module):
    """A narrow layer, and ways around it."""

    def __init__(self, around):
        super().__init__()
        self.first, self.narrow = nn.Linear(6, 16), nn.Linear(16, 2)
        self.wide, self.bias, self.last = nn.Linear(2, 16), nn.Embedding(5, 16), nn.Linear(16, 3)
        self.around = around

    def forward(self, x):
        hidden = self.first(x).relu()
        if self.around == "residual":
            hidden = hidden + self.wide(self.narrow(hidden))
        elif self.around == "gate":
            hidden = hidden * self.wide(self.narrow(hidden)).sigmoid()
        elif self.around == "bias":
            hidden = self.wide(self.narrow(hidden)) + self.bias(torch.arange(len(x)))
        else:
            hidden = self.wide(self.narrow(hidden))
        return self.last(hidden.relu())


@pytest.mark.parametrize("around", [None, "residual", "gate", "bias"])
def test_a_bottleneck_is_the_only_way(around):
    model = Paths(around)
    names = {id(item): name for name, item in model.named_parameters()}
    found = layers(walk(model(torch.randn(5, 6)).square().mean()), names.get)
    narrow = next(item for item in found if "narrow.weight" in item["parameters"])
    assert narrow["only_way"] is (around is None)
