"""The ladder: which rungs, on which samples, what each step bought, which one wins."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import gradatim
from gradatim.core.recipe import Recipe
from gradatim.data import prepare
from gradatim.experiments import ending, ladder
from gradatim.experiments.clock import Clock
from gradatim.experiments.defaults import RUNGS
from gradatim.models import MODELS


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ladder"
    return gradatim.fit("wine", epochs=20, out=out)


def test_the_rungs_are_models_and_begin_with_the_simplest():
    for rungs in RUNGS.values():
        assert set(rungs) <= set(MODELS)
        assert rungs[0] == "majority"


def test_every_rung_is_measured_on_the_same_samples(run):
    record = gradatim.Record.read(run.folder)
    rungs = record.of("rung")
    assert [rung["model"] for rung in rungs] == ["majority", "knn", "linear", "mlp"]
    assert len({rung["validation"]["n"] for rung in rungs}) == 1
    for before, after in pairwise(rungs):
        bought = after["bought"]
        assert bought["against"] == before["model"]
        difference = after["validation"]["value"] - before["validation"]["value"]
        assert bought["difference"] == pytest.approx(difference)
        assert bought["low"] <= bought["difference"] <= bought["high"]


def test_the_winner_has_the_best_validation_and_is_tested_once(run):
    record = gradatim.Record.read(run.folder)
    best = max(rung["validation"]["value"] for rung in record.of("rung"))
    winner = record.last("winner")
    chosen = next(rung for rung in record.of("rung") if rung["rung"] == winner["rung"])
    assert chosen["validation"]["value"] == best
    assert len(record.of("test")) == 1
    assert "validation accuracy" in winner["reason"]


def test_a_repeated_ladder_climbs_the_same_rungs(run, tmp_path):
    recipe = Recipe.read(run.folder / "recipe.toml")
    assert [rung["model.name"] for rung in recipe.rungs] == ["majority", "knn", "linear", "mlp"]
    again = gradatim.fit(recipe=recipe, out=tmp_path / "again")
    assert again.test["confusion"] == run.test["confusion"]
    one, other = (gradatim.Record.read(r.folder).of("rung") for r in (run, again))
    assert [r["validation"] for r in one] == [r["validation"] for r in other]


def test_a_ladder_goes_on_after_a_kill_between_rungs(run, tmp_path):
    import shutil

    half = tmp_path / "half"
    shutil.copytree(run.folder, half)
    shutil.rmtree(half / "rungs" / "04-mlp")
    shutil.rmtree(half / "model")
    lines = (half / "record.jsonl").read_text().splitlines(keepends=True)
    (half / "record.jsonl").write_text("".join(lines[:4]) + lines[4][:20])
    (half / "recipe.toml").write_text(
        Recipe.read(half / "recipe.toml").to_toml().split("[[rungs]]")[0]
    )
    again = gradatim.resume(half)
    assert again.reason == "finished"
    assert again.test["confusion"] == run.test["confusion"]
    events = gradatim.Record.read(half)
    assert [rung["rung"] for rung in events.of("rung")] == [1, 2, 3, 4]


def test_regression_climbs_too(tmp_path):
    run = gradatim.fit("diabetes", epochs=10, out=tmp_path / "run")
    rungs = gradatim.Record.read(run.folder).of("rung")
    assert [rung["metric"] for rung in rungs] == ["r2"] * 4
    assert rungs[0]["validation"]["value"] <= 0.05  # the mean explains nothing
    assert run.test["regression"]["r2"] == run.test["value"] > 0.2


def test_a_budget_is_kept(tmp_path):
    run = gradatim.fit("iris", budget="6s", out=tmp_path / "run")
    done = gradatim.Record.read(run.folder).last("done")
    assert run.recipe.training.budget == 6
    assert done["seconds"] < 60  # the share of the budget is measured in benchmarks, not here


def test_the_cheap_rungs_share_their_part():
    names = RUNGS["image", "classification"]
    clock = Clock(1000.0)
    left = 0.0
    climbed: list = []
    for name in names[:-1]:
        seconds = ladder._seconds(name, names, clock, climbed)
        assert seconds is not None
        clock._began -= seconds  # as if it had taken all of it
        left += seconds
        climbed.append(None)
    assert left <= 0.15 * 1000
    assert ladder._seconds(names[-1], names, clock, climbed) == pytest.approx(
        1000 - left - ending.SECONDS, abs=1
    )


@pytest.mark.parametrize(
    ("seconds_a_step", "chosen"),
    [
        ({16: 1.0}, 16),  # nothing fits: the narrowest
        ({16: 0.01, 24: 0.02, 32: 1.0}, 24),
        (dict.fromkeys((16, 24, 32, 48, 64), 0.01), 64),
    ],
)
def test_the_widest_net_that_is_seen_often_enough(monkeypatch, seconds_a_step, chosen):
    timed = []

    def seconds_per_step(prepared, recipe, enough, patience):
        timed.append(recipe.get("model.width"))
        return seconds_a_step[timed[-1]]

    monkeypatch.setattr(ladder.fitting, "seconds_per_step", seconds_per_step)
    prepared, recipe = prepare(Recipe().with_values({"data.source": "digits"}))
    recipe = recipe.with_values({"model.name": "resnet9", "data.batch_size": 32})
    steps = len(prepared.split.train) / 32
    found = ladder._fitting_width(prepared, recipe, 0.02 * steps * ladder.LEAST_EPOCHS)
    assert found.get("model.width") == chosen
    assert timed == list(seconds_a_step)
    assert "passes fit" in found.reasons["model.width"]


def test_large_photos_end_with_the_net_for_large_photos():
    prepared, recipe = prepare(Recipe().with_values({"data.source": "digits"}))
    assert ladder._names(prepared, recipe)[-1] == "resnet9"
    large = replace(prepared, spec=prepared.spec.with_shape(3, 96, 96))
    assert ladder._names(large, recipe)[-1] == "resnet18"


def test_neighbours_are_thinned_when_time_is_short(tmp_path, monkeypatch):
    from gradatim.core.talk import SILENCE
    from gradatim.experiments import fitting

    monkeypatch.setattr(fitting, "TRIED", 8)
    monkeypatch.setattr(fitting, "LEAST_NEIGHBOURS", 50)
    prepared, recipe = prepare(Recipe().with_values({"data.source": "digits"}))
    fitted = fitting.fit_model(
        prepared, recipe.with_values({"model.name": "knn"}), tmp_path / "run", SILENCE, seconds=1e-9
    )
    assert fitted.recipe.data.limit == 50
    assert "50 of" in fitted.note
    assert len(fitted.model.state_dict()["targets"]) == 50
    targets = fitted.model.state_dict()["targets"].numpy()
    assert len(np.unique(targets)) == 10  # drawn stratified
