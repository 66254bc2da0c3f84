"""One sample seen by a trained network, and networks by their names."""

import numpy as np
import pytest
import torch
from torch import nn

from gradatim import models
from gradatim.anatomy.look import gates_chart, gradient_chart, look
from gradatim.anatomy.named import explain_named
from gradatim.anatomy.recurrent import TimeGradient, gates
from gradatim.core.page import Arithmetic, Chart, Gallery, Heading, Verdict
from gradatim.core.spec import Spec
from gradatim.errors import UnknownNameError, UsageError
from gradatim.pages.html import to_html


def headings(page):
    return [block.anchor for block in page.blocks if isinstance(block, Heading)]


def of(page, kind):
    return [block for block in page.blocks if isinstance(block, kind)]


def test_an_image_seen_by_a_convolutional_network():
    spec = Spec("classification", "image", (3, 16, 16), ("cat", "dog", "owl"))
    model = models.build("lenet", spec).train()
    x, pixels = torch.randn(3, 16, 16), np.full((16, 16, 3), 90, np.uint8)
    stored = torch.cat([torch.randn(8, 3, 16, 16), x[None]])
    page = look(
        model,
        x,
        spec,
        target=2,
        pixels=pixels,
        stored=stored,
        stored_pixels=[pixels] * 9,
        name="owl.png",
    )
    assert headings(page) == ["loss", "grad-cam", "pixel", "filters", "maps", "neighbours"]
    assert page.title == "What the network sees in owl.png"
    scores = model.eval()(x[None])[0]
    chance = scores.softmax(0).max().item()
    verdict = of(page, Verdict)[0]
    assert f"{chance:.1%}" in verdict.detail
    assert verdict.level == ("good" if int(scores.argmax()) == 2 else "note")
    loss = nn.functional.cross_entropy(scores[None], torch.tensor([2])).item()
    assert dict(of(page, Arithmetic)[0].lines)["loss"].endswith(f"{loss:.4f} nats")
    galleries = of(page, Gallery)
    assert galleries[-2].pictures[0].caption == "sample 8, 0"
    html = to_html(page)
    assert "Grad-CAM" in html and len(html) < 500_000


def test_an_image_seen_by_a_linear_model_shows_its_templates():
    spec = Spec("classification", "image", (1, 6, 6), ("a", "b"))
    page = look(models.build("linear", spec), torch.randn(1, 6, 6), spec, loss="hinge")
    assert headings(page) == ["loss", "templates"]
    assert [p.caption for p in of(page, Gallery)[0].pictures] == ["a", "b"]
    assert "hinge" in page.blocks[2].text


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_a_sequence_seen_by_a_recurrent_network(name):
    spec = Spec("classification", "sequence", (9, 4), ("up", "down"))
    page = look(models.build(name, spec), torch.randn(9, 4), spec)
    assert headings(page) == ["loss", "gates", "gradient"]
    shown, gradient = of(page, Chart)
    assert len(gradient.line) == 9
    assert len({row["gate"] for row in shown.specification["data"]["values"]}) >= 1
    to_html(page)


def test_charts_say_their_figures():
    chart = gates_chart(gates(nn.LSTM(2, 3), torch.randn(5, 2)))
    assert "forget" in chart.alternative and len(chart.line) == 5
    fading = gradient_chart(TimeGradient((0.001, 0.1), 0.01))
    assert "0.001 at the first, 0.1 at the last, 0.01 times" in fading.alternative
    assert fading.specification["encoding"]["y"]["scale"] == {"type": "log"}


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


@pytest.mark.parametrize(
    "name",
    # The others are compared layer by layer in tests/references; these two are not descended.
    [
        name
        for name in sorted(set(models.MODELS) - {"knn", "majority"})
        if not name.startswith(("alexnet", "vgg", "nin", "googlenet"))
        and (not name.startswith("resnet") or name in ("resnet20", "resnet56"))
    ],
)
def test_the_other_networks_of_the_zoo_are_explained(name):
    anatomy = explain_named(name)
    assert [item for item in anatomy.witnesses() if not item[1].agrees] == []
    with torch.device("meta"):
        module = models.full_size(name)
    assert anatomy.totals.parameters.value == sum(p.numel() for p in module.parameters())
    assert anatomy.layers[0].inputs == (-1,)
