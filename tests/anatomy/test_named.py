"""Networks by their names: the zoo at full size, and factories of the user's own."""

import pytest
import torch
from torch import nn

from gradatim import models
from gradatim.anatomy.named import explain_named
from gradatim.errors import UnknownNameError, UsageError


def test_networks_by_their_names():
    anatomy = explain_named("vgg19")
    assert (anatomy.totals.parameters.value, anatomy.mode) == (143_667_240, "eval")
    assert any(item.who == "the paper" for item in anatomy.others)
    small = explain_named("resnet18", shape=(3, 64, 64), options={"width": 8}, witnesses=False)
    assert small.inputs == ((1, 3, 64, 64),)
    with pytest.raises(UnknownNameError, match="did you mean 'vgg19'"):
        explain_named("vgg91")
    with pytest.raises(UsageError, match="does not run on this input"):
        explain_named("vgg19", shape=(1, 28, 28))


def needs_numbers():
    """A factory that cannot build on the meta device, as torchvision's regnet."""
    return nn.Linear(int(torch.ones(4).sum().item()), 2)


def test_a_network_that_computes_while_it_is_built():
    anatomy = explain_named(f"{__name__}:needs_numbers", shape=(4,))
    assert anatomy.totals.parameters.value == 10


class Detector(nn.Module):
    """What is done next depends on the numbers, as with the boxes of a detector."""

    def __init__(self):
        super().__init__()
        self.score, self.refine = nn.Linear(4, 6), nn.Linear(1, 3)

    def forward(self, x):
        return self.refine(self.score(x)[x.new_ones(1, 6).nonzero(as_tuple=True)][:, None])


def test_a_network_that_needs_numbers_while_it_runs():
    anatomy = explain_named(f"{__name__}:Detector", shape=(4,))
    assert anatomy.totals.macs.value == 4 * 6 + 6 * 3
    assert anatomy.ran_on.startswith("real tensors")


@pytest.mark.parametrize(
    "name",
    # The others are compared layer by layer in tests/references; these are not descended.
    [
        name
        for name in sorted(set(models.MODELS) - {"knn", "majority", "ngram"})
        if not name.startswith(("alexnet", "vgg", "nin", "googlenet"))
        and (not name.startswith("resnet") or name in ("resnet9", "resnet20", "resnet56"))
    ],
)
def test_the_other_networks_of_the_zoo_are_explained(name):
    anatomy = explain_named(name)
    assert [item for item in anatomy.witnesses() if not item[1].agrees] == []
    with torch.device("meta"):
        module = models.full_size(name)
    assert anatomy.totals.parameters.value == sum(p.numel() for p in module.parameters())
    assert anatomy.layers[0].inputs == (-1,)
