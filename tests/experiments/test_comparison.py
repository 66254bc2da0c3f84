"""Comparisons: the same samples and seeds for every value, honest intervals, nothing run twice."""

import json
import shutil

import numpy as np
import pytest

import gradatim
from gradatim import stats
from gradatim.core.page import Chart, Table, Verdict
from gradatim.core.recipe import Recipe
from gradatim.core.talk import Silence
from gradatim.errors import (
    CheckpointError,
    GradatimError,
    UnknownNameError,
    UsageError,
    ValueRefusedError,
)
from gradatim.experiments import comparison, fitting
from gradatim.experiments.comparison import read_over

RATES = ("digits",)
ASKED = {"over": "learning_rate=0.0001,0.01,0.1", "model": "linear", "seeds": 3, "epochs": 2}


class Told(Silence):
    """Keeps what is said."""

    def __init__(self):
        self.said, self.warned = [], []

    def say(self, text):
        self.said.append(text)

    def warn(self, text):
        self.warned.append(text)


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """Three rates of a linear model of digits, on three seeds."""
    out = tmp_path_factory.mktemp("compare") / "rates"
    return gradatim.compare(*RATES, **ASKED, out=out)


def member(found, row, seed, name="member.json"):
    return found.folder / "members" / f"{row:02d}-seed-{seed}" / name


@pytest.mark.parametrize(
    ("over", "key", "values"),
    [
        ("learning_rate=0.01,0.1", "training.learning_rate", (0.01, 0.1)),
        ("training.learning_rate=1e-2, 0.1,0.01", "training.learning_rate", (0.01, 0.1)),
        ("samples-per-class=10,20,50", "data.samples_per_class", (10, 20, 50)),
        ("model=linear,mlp", "model.name", ("linear", "mlp")),
        ("model.hidden=[8],[64,32]", "model.hidden", ([8], [64, 32])),
        ({"data.crop": ["none", "padded"]}, "data.crop", ("none", "padded")),
        ({"epochs": range(1, 4)}, "training.epochs", (1, 2, 3)),
    ],
)
def test_a_key_and_its_values_are_read(over, key, values):
    assert read_over(over, Recipe()) == (key, values)


@pytest.mark.parametrize(
    ("over", "error", "text"),
    [
        ("learning_rate", UsageError, "--over takes a key and its values"),
        ("learning_rate=0.1", UsageError, "at least two different values"),
        ("learning_rate=0.1,1e-1", UsageError, "at least two different values"),
        ("learning_rat=1,2", UnknownNameError, "did you mean 'learning_rate'"),
        ("training.rate=1,2", UnknownNameError, "the recipe has no such key"),
        ("learning_rate=fast,slow", ValueRefusedError, "takes a number"),
        ("seed=1,2", UsageError, "name how many seeds with --seeds"),
        ("data.source=iris,wine", UsageError, "fit each by itself"),
        ("test_share=0.1,0.2", UsageError, "other samples are measured"),
        ("budget=10,20", UsageError, "compare values of training.epochs"),
        ({"data.flip": [0, 1], "data.crop": ["none"]}, UsageError, "one key is compared at a time"),
    ],
)
def test_wrong_requests_are_refused(over, error, text):
    with pytest.raises(error) as raised:
        read_over(over, Recipe())
    assert text in str(raised.value)


def test_every_value_has_the_same_samples_first_weights_and_order(rates):
    for seed in range(3):
        recipes = [Recipe.read(member(rates, row, seed, "recipe.toml")) for row in (1, 2, 3)]
        assert {recipe.seed for recipe in recipes} == {seed}
        changed = [recipe.with_values({"training.learning_rate": 1}) for recipe in recipes]
        assert changed[0].to_dict() | {"reasons": 0} == changed[1].to_dict() | {"reasons": 0}
        answers = [member(rates, row, seed, "answers.safetensors") for row in (1, 2, 3)]
        from safetensors.numpy import load

        indices = [load(path.read_bytes())["indices"] for path in answers]
        assert np.array_equal(indices[0], indices[1]) and np.array_equal(indices[0], indices[2])
    first = [json.loads(member(rates, 1, seed).read_text())["train"] for seed in range(3)]
    assert len(set(first)) > 1  # seeds differ


def test_means_and_gains_are_those_of_the_seeds(rates):
    low, middle, high = rates.facts["values"]
    for row in (low, middle, high):
        interval = stats.mean_interval(row["each"])
        assert (row["mean"], row["low"], row["high"]) == (
            interval.value, interval.low, interval.high
        )  # fmt: skip
    gain = np.subtract(high["each"], low["each"])
    expected = stats.mean_interval(gain)
    assert high["gain"]["difference"] == pytest.approx(expected.value)
    assert high["gain"]["low"] == pytest.approx(expected.low)
    step = stats.mean_interval(np.subtract(high["each"], middle["each"]))
    assert high["step"]["difference"] == pytest.approx(step.value)
    assert low["gain"] is None and middle["step"] is None
    assert rates.facts["best"]["label"] == "0.1"
    assert rates.finished and rates.facts["measured"] == 180


def test_a_member_is_the_fit_of_its_recipe(rates):
    recipe = Recipe.read(member(rates, 3, 1, "recipe.toml"))
    prepared, recipe = gradatim.data.prepare(recipe)
    fitted = fitting.fit_model(
        prepared, recipe, rates.folder / "again", Silence(), seconds=None
    )  # fmt: skip
    assert fitted.measured.value.value == rates.facts["values"][2]["each"][1]


def test_the_page_names_the_best_and_draws_every_value(rates):
    verdict = next(block for block in rates.page.blocks if isinstance(block, Verdict))
    assert verdict.statement.startswith("learning_rate = 0.1 does better than 0.0001: +")
    assert "3 seeds, paired; 95 % interval" in verdict.detail
    chart = next(block for block in rates.page.blocks if isinstance(block, Chart))
    assert chart.specification["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"
    assert [row["value"] for row in chart.specification["layer"][2]["data"]["values"]] == [
        1e-4, 1e-2, 1e-1
    ]  # fmt: skip
    assert len(chart.specification["layer"][3]["data"]["values"]) == 9
    table = next(block for block in rates.page.blocks if isinstance(block, Table))
    assert [row[0] for row in table.rows] == ["0.0001", "0.01", "0.1"]
    assert (rates.folder / "report.html").stat().st_size > 10_000
    assert json.loads((rates.folder / "comparison.json").read_text())["best"]["label"] == "0.1"


def test_asked_again_nothing_is_run_again(rates, monkeypatch):
    monkeypatch.setattr(fitting, "fit_model", None)
    again = gradatim.compare(*RATES, **ASKED, out=rates.folder)
    assert again.facts == rates.facts


def test_another_comparison_in_the_folder_is_refused(rates):
    for other, what in (
        ({"epochs": 6}, "training.epochs"),
        ({"seeds": 2}, "seeds"),
        ({"settings": {"training.clip": 1}}, "training.clip"),
    ):
        with pytest.raises(UsageError, match=rf"another comparison .* differs in {what}"):
            gradatim.compare(*RATES, **ASKED | other, out=rates.folder)


def test_a_stopped_comparison_goes_on_where_it_stopped(rates, tmp_path, monkeypatch):
    out, real, runs = tmp_path / "again", fitting.fit_model, []

    class Stopped(BaseException):
        pass

    def fit(prepared, recipe, place, talk, *, seconds):
        runs.append(place.name)
        if len(runs) == 5:
            raise Stopped
        return real(prepared, recipe, place, talk, seconds=seconds)

    monkeypatch.setattr(fitting, "fit_model", fit)
    with pytest.raises(Stopped):
        gradatim.compare(*RATES, **ASKED, out=out)
    found = gradatim.compare(*RATES, **ASKED, out=out)
    assert len(runs) == 10 and runs[4] == runs[5] == "02-seed-1"
    assert found.finished
    for mine, theirs in zip(found.facts["values"], rates.facts["values"], strict=True):
        assert mine["each"] == theirs["each"]


def test_an_interrupted_member_leaves_a_report_of_what_is_there(tmp_path, monkeypatch):
    real, runs = fitting.fit_model, []

    def fit(prepared, recipe, place, talk, *, seconds):
        runs.append(place)
        fitted = real(prepared, recipe, place, talk, seconds=seconds)
        if len(runs) < 4:
            return fitted
        from dataclasses import replace

        return replace(fitted, reason="interrupted")

    monkeypatch.setattr(fitting, "fit_model", fit)
    found = gradatim.compare(
        "iris", over="learning_rate=0.0001,0.1", model="linear", seeds=3, epochs=3,
        out=tmp_path / "cut",
    )  # fmt: skip
    assert not found.finished
    assert [row["seeds"] for row in found.facts["values"]] == [2, 1]
    verdict = next(block for block in found.page.blocks if isinstance(block, Verdict))
    assert "the comparison is not finished" in verdict.detail


def test_a_learning_curve_over_samples_a_class_adds_samples_and_tells_the_error_down(tmp_path):
    found = gradatim.compare(
        "digits", over={"samples-per-class": [3, 40]}, model="linear", seeds=2, epochs=20,
        on="test", out=tmp_path / "curve",
    )  # fmt: skip
    few, many = found.facts["values"]
    assert (few["samples"], many["samples"]) == (30, 400)
    assert many["mean"] > few["mean"] and few["train"] > few["mean"]
    assert found.facts["on"] == "test" and found.facts["measured"] == 270
    assert many["gain"]["verdict"] in ("better", "not told apart")


def test_one_seed_is_paired_on_the_samples(tmp_path):
    found = gradatim.compare(
        "iris", over="model=majority,linear", seeds=1, epochs=20, out=tmp_path / "one"
    )
    majority, linear = found.facts["values"]
    assert majority["epochs"] is None and linear["epochs"] == 20
    assert majority["high"] - majority["low"] > 0.1  # of the samples, not of the seeds
    assert linear["gain"]["verdict"] == "better"
    assert found.facts["model"] is None or found.facts["key"] == "model.name"
    chart = next(block for block in found.page.blocks if isinstance(block, Chart))
    assert "one measurement" in chart.caption


def test_a_budget_gives_every_member_the_same_epochs(tmp_path):
    talk = Told()
    found = gradatim.compare(
        "iris", over="learning_rate=0.001,0.1", model="mlp", seeds=2, budget=12,
        out=tmp_path / "budget", talk=talk,
    )  # fmt: skip
    epochs = {row["epochs"] for row in found.facts["values"]}
    assert len(epochs) == 1 and 1 <= epochs.pop() <= 200
    assert any(text.startswith("planned: at most") for text in talk.said)
    plan = json.loads((found.folder / "plan.json").read_text())
    assert plan["epochs"][0] == found.facts["values"][0]["epochs"]


def test_a_budget_that_is_too_short_is_said(tmp_path):
    talk = Told()
    gradatim.compare(
        "iris", over="learning_rate=0.001,0.1", model="linear", seeds=1, budget=0.1,
        out=tmp_path / "short", talk=talk,
    )  # fmt: skip
    assert any("longer than the budget" in text for text in talk.warned)


def test_a_budget_and_epochs_exclude_each_other(tmp_path):
    for asked in ({"over": "epochs=1,2"}, {"over": "clip=0,1", "epochs": 3}):
        with pytest.raises(UsageError, match="a budget or epochs, not both"):
            gradatim.compare("iris", model="linear", budget=5, out=tmp_path / "x", **asked)
    assert not (tmp_path / "x").exists()


def test_wrong_values_leave_nothing_behind(tmp_path):
    out = tmp_path / "none"
    with pytest.raises(GradatimError, match="there is no model of this name"):
        gradatim.compare("iris", over="model=linear,liner", out=out)
    with pytest.raises(GradatimError, match="hidden"):
        gradatim.compare("iris", over="model.hiden=[3],[4]", model="mlp", out=out)
    with pytest.raises(UnknownNameError, match="measured on another part"):
        gradatim.compare("iris", over="clip=0,1", on="train", out=out)
    with pytest.raises(UsageError, match="needs a seed"):
        gradatim.compare("iris", over="clip=0,1", seeds=0, out=out)
    assert not out.exists()
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        gradatim.compare("iris", over="clip=0,1", model="linear", epochs=1, out=out)
    shutil.rmtree(out)


def test_regressions_gain_where_the_error_falls(tmp_path):
    found = gradatim.compare(
        "diabetes", over="model=majority,linear", seeds=2, epochs=30, out=tmp_path / "r2"
    )
    assert found.facts["metric"] == "r2"
    assert found.facts["values"][1]["gain"]["difference"] > 0.1
    assert "+0." in next(b for b in found.page.blocks if isinstance(b, Verdict)).statement


def test_bits_that_are_saved_count_as_a_gain():
    from gradatim.experiments.measure import Measured
    from gradatim.stats import Interval

    def of(value):
        result = Measured("bits-per-character", Interval(value, value, value), None, 0.0)
        return comparison.Member({}, result)

    gain = comparison._gain([of(3.0), of(3.2)], [of(2.5), of(2.6)])
    assert gain["difference"] == pytest.approx(0.55)


def test_the_report_of_a_comparison_is_shown_again(rates):
    before = (rates.folder / "report.html").read_bytes()
    (rates.folder / "report.html").unlink()
    page = gradatim.report(rates.folder)
    assert page.title == rates.page.title
    assert (rates.folder / "report.html").read_bytes() == before


def test_one_goes_on_with_a_comparison_by_its_own_command(rates, tmp_path):
    with pytest.raises(GradatimError, match="a comparison, not one run") as error:
        gradatim.resume(rates.folder)
    assert f"--out {rates.folder}" in error.value.message()
    for damaged in ("{", '{"key": "seed"}', "[]"):
        (tmp_path / "comparison.json").write_text(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            gradatim.report(tmp_path)
    (tmp_path / "comparison.json").unlink()
    (tmp_path / "plan.json").write_text("{}")  # stopped before anything was measured
    with pytest.raises(GradatimError, match="a comparison, not one run"):
        gradatim.report(tmp_path)
    with pytest.raises(GradatimError, match="a comparison, not one run"):
        gradatim.report(rates.folder, rates.folder)
