"""The verb explain: names, runs, the user's own code, and one sample opened up."""

import json

import pytest
import torch

import gradatim
from gradatim.core.page import Arithmetic, Fragment, Gallery, Heading
from gradatim.errors import GradatimError
from gradatim.pages import to_html


def headings(page):
    return [block.text for block in page.blocks if isinstance(block, Heading)]


def test_a_name_is_the_published_network():
    found = gradatim.explain("alexnet")
    assert found.facts["totals"]["parameters"]["value"] == 61_100_840
    assert found.facts["totals"]["macs"]["value"] == 714_188_480
    assert json.loads(json.dumps(found.facts)) == found.facts
    page = to_html(found.page)
    assert "55.25" in page
    assert "<math" in page
    assert len(page) < 1_000_000


def test_a_network_without_branches_can_be_changed_in_the_page():
    page = gradatim.explain("lenet").page
    assert any(isinstance(block, Fragment) for block in page.blocks)
    html = to_html(page)
    assert html.count("<script>") == 1
    assert "script-src 'sha256-" in html
    branched = gradatim.explain("resnet18").page
    assert "<script" not in to_html(branched)


def test_options_and_input_are_taken():
    narrow = gradatim.explain("resnet18", settings=["width=16"], input="3x64x64")
    assert narrow.facts["totals"]["parameters"]["value"] < 1_000_000
    assert narrow.facts["inputs"][0][1:] in ([3, 64, 64], (3, 64, 64))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet81", {}), "resnet18"),
        (("lenet", {"input": "28 by 28"}), "not the shape of an input"),
        (("lenet", {"sample": "3"}), "with the weights of a run"),
        (("alexnet", {"input": "3x8x8"}), "does not run on this input"),
        (("no.such.module:thing", {}), "no.such.module"),
        (("lenet", {"settings": ["widht=3"]}), "widht"),
    ],
)
def test_wrong_requests_end_in_words(arguments, words):
    name, options = arguments
    with pytest.raises(GradatimError) as caught:
        gradatim.explain(name, **options)
    assert words in str(caught.value).lower() or words in str(caught.value)


def test_ones_own_factory(tmp_path, monkeypatch):
    (tmp_path / "mine_to_explain.py").write_text(
        "import torch\n\ndef net():\n    return torch.nn.Sequential(torch.nn.Linear(4, 3))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = gradatim.explain("mine_to_explain:net", input="4")
    assert found.facts["totals"]["parameters"]["value"] == 15


@pytest.mark.parametrize(("model", "title"), [("lenet", "Filters"), ("linear", "Templates")])
def test_a_run_shows_what_it_learnt_and_a_sample(tmp_path, model, title):
    run = gradatim.fit("digits", model=model, epochs=1, out=tmp_path / "run")
    found = gradatim.explain(run.folder, sample="3")
    assert title in headings(found.page)
    loss = found.facts["sample"]["loss"]
    scores = torch.tensor(loss["scores"])
    expected = torch.nn.functional.cross_entropy(scores[None], torch.tensor([loss["target"]]))
    assert loss["value"] == pytest.approx(expected.item(), abs=1e-5)
    assert any(isinstance(block, Gallery) for block in found.page.blocks)
    assert any(isinstance(block, Arithmetic) for block in found.page.blocks)
    with pytest.raises(GradatimError, match="no test sample of this number"):
        gradatim.explain(run.folder, sample="99999")


def test_a_picture_from_a_file_is_opened(tmp_path):
    import numpy as np
    from PIL import Image

    run = gradatim.fit("digits", model="lenet", epochs=1, out=tmp_path / "run")
    Image.fromarray(np.full((20, 20), 90, np.uint8)).save(tmp_path / "picture.png")
    found = gradatim.explain(run.folder, sample=str(tmp_path / "picture.png"))
    assert "likeliest class" in to_html(found.page)
