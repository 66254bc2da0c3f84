"""A run under stress: the same samples for every kind and both runs, and words for wrong input."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import gradatim
from gradatim import package, stats
from gradatim.charts.stress import chart
from gradatim.core.page import Chart, Picture, Table, Verdict
from gradatim.core.talk import SILENCE
from gradatim.data.corruptions import CORRUPTIONS, corrupt
from gradatim.errors import DataError, UnknownNameError, UsageError
from gradatim.experiments.evaluation import own_data
from gradatim.pages.stress import page


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("stress")
    for name, settings in (("plain", {}), ("turned", {"data.rotation": 60})):
        gradatim.fit("digits", model="mlp", epochs=12, settings=settings, out=root / name)
    gradatim.fit("digits", model="linear", epochs=1, seed=9, out=root / "other-split")
    gradatim.fit("iris", model="linear", epochs=1, out=root / "iris")
    return root


@pytest.fixture(scope="module")
def both(runs):
    return gradatim.evaluate(runs / "plain", stress="rotation,noise", against=runs / "turned")


def test_every_kind_has_five_strengths_and_costs_are_paired(runs):
    found = gradatim.evaluate(runs / "plain", stress="all")
    assert [row["kind"] for row in found["kinds"]] == list(CORRUPTIONS)
    measured = gradatim.evaluate(runs / "plain")
    assert found["clean"]["value"] == measured["value"] and found["samples"] == 270
    for row in found["kinds"]:
        assert [step["strength"] for step in row["steps"]] == [1, 2, 3, 4, 5]
        mean = np.mean([step["value"] for step in row["steps"]])
        assert row["mean"] == pytest.approx(mean)
        assert row["lost"]["value"] == pytest.approx(mean - found["clean"]["value"])
        assert row["lost"]["low"] <= row["lost"]["value"] <= row["lost"]["high"]
    json.dumps(found, allow_nan=False)
    again = gradatim.evaluate(runs / "plain", stress="all")
    assert again == found


def test_accuracy_is_that_of_the_package_on_the_corrupted_pictures(runs, both):
    prepared, model = own_data(runs / "plain", SILENCE), package.load(runs / "plain")
    test = prepared.split.test
    corrupted = corrupt("rotation", np.asarray(prepared.inputs[test]), test, 3)
    answers = model.predict_scores(corrupted).argmax(1)
    right = int((answers == prepared.targets[test]).sum())
    interval = stats.wilson(right, len(test))
    step = both["kinds"][0]["steps"][2]
    assert (step["value"], step["low"], step["high"]) == (
        interval.value, interval.low, interval.high
    )  # fmt: skip
    assert step["setting"] == "± 30°"


def test_two_runs_are_paired_on_the_same_samples(runs, both):
    alone = gradatim.evaluate(runs / "turned", stress="rotation,noise")
    assert both["against"]["kinds"] == alone["kinds"]
    paired = both["paired"]["kinds"][0]
    mine, theirs = both["kinds"][0], alone["kinds"][0]
    assert paired["mean"]["value"] == pytest.approx(mine["mean"] - theirs["mean"])
    for step, a, b in zip(paired["steps"], mine["steps"], theirs["steps"], strict=True):
        assert step["value"] == pytest.approx(a["value"] - b["value"])
    swapped = gradatim.evaluate(runs / "turned", stress="rotation", against=runs / "plain")
    assert swapped["paired"]["kinds"][0]["mean"]["value"] == pytest.approx(-paired["mean"]["value"])


def test_only_samples_that_both_hold_out_count(runs):
    found = gradatim.evaluate(runs / "plain", stress="noise", against=runs / "other-split")
    tests = [own_data(runs / name, SILENCE).split.test for name in ("plain", "other-split")]
    assert found["samples"] == len(np.intersect1d(*tests)) < 270


def test_the_page_shows_numbers_charts_and_samples(both):
    shown = page(both)
    verdict = next(block for block in shown.blocks if isinstance(block, Verdict))
    assert "270 test images" in verdict.detail
    tables = [block for block in shown.blocks if isinstance(block, Table)]
    assert [row[0] for row in tables[0].rows] == ["rotation", "noise"]
    assert [row[0] for row in tables[1].rows] == ["as it is", "rotation", "noise"]
    assert sum(isinstance(block, Chart) for block in shown.blocks) == 2
    pictures = [block for block in shown.blocks if isinstance(block, Picture)]
    assert len(pictures) == 4 and "as it is and at strength 1 to 5; answered" in pictures[0].caption
    content = base64.b64decode(both["pictures"]["noise"][0]["content"])
    assert Image.open(io.BytesIO(content)).size == (6 * 64, 64)
    assert len(both["pictures"]["noise"][0]["answers"]) == 6


def test_the_chart_begins_with_the_samples_as_they_are(both):
    drawn = chart(both, "rotation")
    rows = drawn.specification["layer"][0]["data"]["values"]
    first = [row for row in rows if row["run"] == "plain"]
    assert [round(row["x"]) for row in first] == [0, 1, 2, 3, 4, 5]
    assert first[0]["y"] == pytest.approx(100 * both["clean"]["value"], abs=1e-3)
    assert {row["run"] for row in rows} == {"plain", "turned"}
    assert "plain: as it is" in drawn.alternative and "± 60°" in drawn.alternative


@pytest.mark.parametrize(
    ("run", "kinds", "against", "error", "text"),
    [
        ("iris", "all", None, UsageError, "stress is for runs that tell images apart"),
        ("plain", "nois", None, UnknownNameError, "did you mean 'noise'"),
        ("plain", ",", None, UsageError, "no stress was named"),
        ("plain", None, "turned", UsageError, "under stress only"),
        ("plain", "noise", "iris", UsageError, "stress is for runs that tell images apart"),
    ],
)
def test_wrong_requests_are_refused(runs, run, kinds, against, error, text):
    other = runs / against if against else None
    with pytest.raises(error) as raised:
        gradatim.evaluate(runs / run, stress=kinds, against=other)
    assert text in str(raised.value)


def test_runs_of_other_classes_or_samples_are_refused(runs, tmp_path):
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    gradatim.fit(tmp_path / "photos", model="linear", epochs=1, out=tmp_path / "run")
    with pytest.raises(DataError, match="know different classes"):
        gradatim.evaluate(runs / "plain", stress="noise", against=tmp_path / "run")
