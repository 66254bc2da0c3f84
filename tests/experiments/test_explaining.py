"""The verb explain: names, runs, the user's own code, and one sample opened up."""

import json

import pytest
import torch

import gradatim
from gradatim import models
from gradatim.core.page import Arithmetic, Fragment, Gallery, Heading
from gradatim.errors import GradatimError, UsageError, WeightsError
from gradatim.models.weights import save_weights
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


def test_the_loss_is_that_of_the_training(tmp_path):
    run = gradatim.fit(
        "digits",
        model="linear",
        epochs=1,
        settings={"training.loss": "hinge", "training.label_smoothing": 0.0},
        out=tmp_path / "run",
    )
    loss = gradatim.explain(run.folder, sample="3").facts["sample"]["loss"]
    scores, right = torch.tensor(loss["scores"]), loss["target"]
    expected = torch.nn.functional.multi_margin_loss(scores[None], torch.tensor([right])) * 10
    assert loss["loss"] == "hinge"
    assert loss["value"] == pytest.approx(expected.item(), abs=1e-5)


def test_a_regression_has_its_squared_error(tmp_path):
    run = gradatim.fit("diabetes", model="linear", epochs=1, out=tmp_path / "run")
    found = gradatim.explain(run.folder, sample="0").facts["sample"]
    model = gradatim.load(run.folder)
    truth = gradatim.evaluate(run.folder)  # the run's own data are read again without harm
    assert truth["metric"]
    assert found["loss"]["loss"] == "squared error"
    assert found["loss"]["scores"] == (pytest.approx(found["scores"][0]),)
    target = found["loss"]["scores"][0] - found["loss"]["terms"][0]
    assert found["loss"]["value"] == pytest.approx((found["scores"][0] - target) ** 2)
    assert abs(target) < 5, "the target is standardised"
    assert model.preprocessing.target_std > 1


@pytest.fixture
def picture(tmp_path):
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (80, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_a_network_with_the_weights_of_a_file(tmp_path, picture):
    network = models.full_size("resnet18", {"width": 4})
    save_weights(network, tmp_path / "w.safetensors")
    torch.save(network.state_dict(), tmp_path / "w.pth")
    found = {
        kind: gradatim.explain(
            "resnet18",
            settings=["width=4"],
            weights=tmp_path / f"w.{kind}",
            sample=str(picture),
        )
        for kind in ("safetensors", "pth")
    }
    assert found["pth"].facts["sample"] == found["safetensors"].facts["sample"]
    assert {"Filters", "Feature maps"} <= set(headings(found["pth"].page))
    assert found["pth"].facts["totals"] == gradatim.explain("resnet18", settings=["width=4"]).facts[
        "totals"
    ] | {"activation_bytes": found["pth"].facts["totals"]["activation_bytes"]}

    from gradatim.data.decode import Policy, read

    stored = torch.from_numpy(read(picture, Policy(224, "crop", 3))[0].copy())
    x = stored.permute(2, 0, 1)[None] / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        scores = network.eval()((x - mean[:, None, None]) / std[:, None, None])[0]
    assert torch.allclose(torch.tensor(found["pth"].facts["sample"]["scores"]), scores, atol=1e-5)


class Harmful:
    def __reduce__(self):
        import os

        return os.system, ("touch harm",)


def test_weights_that_cannot_be_used(tmp_path, monkeypatch, picture):
    monkeypatch.chdir(tmp_path)
    save_weights(models.full_size("lenet"), tmp_path / "lenet.safetensors")
    with pytest.raises(WeightsError) as caught:
        gradatim.explain("linear", weights="lenet.safetensors")
    said = caught.value.message()
    assert "not in the file: " in said
    assert "not in the model: " in said
    torch.save({"state_dict": {}, "more": Harmful()}, "harmful.pth")
    with pytest.raises(WeightsError, match="reading it would run code"):
        gradatim.explain("lenet", weights="harmful.pth")
    assert not (tmp_path / "harm").exists()
    with pytest.raises(WeightsError, match="there is no weight file"):
        gradatim.explain("lenet", weights="absent.pth")
    with pytest.raises(UsageError, match="only a square picture can be opened"):
        save_weights(models.full_size("lstm"), tmp_path / "lstm.safetensors")
        gradatim.explain("lstm", weights="lstm.safetensors", sample="0")
    run = gradatim.fit("digits", model="linear", epochs=1, out="run")
    with pytest.raises(UsageError, match="a run has weights of its own"):
        gradatim.explain(run.folder, weights="lenet.safetensors")
