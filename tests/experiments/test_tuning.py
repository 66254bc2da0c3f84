"""Tune measures every way that is open, and writes the fastest into a recipe that fit takes."""

import json

import pytest
import torch
from torch import nn

import gradatim
from gradatim.core.cores import cores
from gradatim.core.recipe import Recipe
from gradatim.errors import UsageError
from gradatim.experiments import tuning
from gradatim.experiments.tuning import Way, best, further, ways_of


def test_the_fastest_way_is_written_into_a_recipe(tmp_path):
    place = tmp_path / "tuned.toml"
    tuned = gradatim.tune("digits", model="lenet", out=place, seconds=0.2)
    ways = {(one["precision"], one["layout"], one["update"]) for one in tuned.facts["ways"]}
    failed = {(one["precision"], one["layout"], one["update"]) for one in tuned.facts["failed"]}
    assert len(ways | failed) == 8
    counts = {one["threads"] for one in tuned.facts["ways"]}
    assert counts == {1, cores(), torch.get_num_threads()}
    written = Recipe.read(place)
    chosen = written.machine.precision, written.machine.layout, written.machine.update
    assert chosen == tuned.chosen[:3] and chosen in ways
    assert written.machine.threads == tuned.chosen.threads
    assert written.machine.compile is None  # not tried
    assert "measured by gradatim tune" in written.reasons["machine.precision"]
    assert json.loads(json.dumps(tuned.facts))["chosen"]["precision"] == chosen[0]
    assert len(tuned.page.blocks[1].rows) == len(tuned.ways)
    run = gradatim.fit(recipe=place, epochs=1, out=tmp_path / "run")
    fitted = run.recipe.machine
    assert (fitted.precision, fitted.layout, fitted.update) == chosen
    assert fitted.threads == tuned.chosen.threads


def test_a_run_is_tuned_with_its_own_recipe(tmp_path):
    run = gradatim.fit("digits", model="linear", epochs=1, precision="fp32", out=tmp_path / "run")
    tuned = gradatim.tune(run.folder, out=tmp_path / "tuned.toml", seconds=0.1)
    assert tuned.recipe.model.name == "linear"
    assert tuned.recipe.data.batch_size == run.recipe.data.batch_size == tuned.batch
    assert {way[0] for way in (*tuned.ways, *tuned.failed)} == {"fp32", "bf16"}


def test_what_the_user_says_is_kept():
    recipe = Recipe().with_values({"machine.precision": "fp32", "machine.update": "loop"})
    plain = Way(threads=2)
    assert ways_of(recipe, nn.Linear(2, 2), plain) == [Way(update="loop", threads=2)]
    assert len(ways_of(recipe, nn.Conv2d(1, 1, 1), plain)) == 2
    kept = Recipe().with_values({"machine.threads": 2, "machine.compile": False}).machine
    assert further(plain, kept, compiled=True) == []
    assert further(plain, Recipe().machine, compiled=True)[-1] == plain._replace(compile=True)


@pytest.mark.parametrize(("bf16", "expected"), [(0.94, "bf16"), (0.97, "fp32"), (1.5, "fp32")])
def test_another_precision_is_taken_only_for_more_than_noise(bf16, expected):
    times = {
        Way("fp32", "contiguous", "fused"): [1.0, 1.0, 9.0],
        Way("bf16", "contiguous", "fused"): [bf16, bf16, 0.1],
    }
    assert best(times, Way()).precision == expected


def test_each_choice_has_to_earn_its_place():
    times = {
        Way("fp32", "contiguous", "fused"): [1.3],
        Way("fp32", "channels-last", "fused"): [1.0],
        Way("fp32", "channels-last", "foreach"): [0.99],
        Way("bf16", "channels-last", "fused"): [0.98],
    }
    assert best(times, Way()) == Way("fp32", "channels-last", "fused")


def test_a_way_this_machine_does_not_have_is_told(tmp_path, monkeypatch):
    whole = tuning._learner

    def without_bf16(recipe, model, task, way):
        if way[0] == "bf16":
            raise RuntimeError("no such kernel\nmore words")
        return whole(recipe, model, task, way)

    monkeypatch.setattr(tuning, "_learner", without_bf16)
    tuned = gradatim.tune("digits", model="linear", out=tmp_path / "t.toml", seconds=0.1)
    assert tuned.chosen[0] == "fp32"
    assert {one["reason"] for one in tuned.facts["failed"]} == {"no such kernel"}


def test_random_numbers_and_threads_are_given_back(tmp_path):
    torch.manual_seed(3)
    expected, threads = torch.rand(2), torch.get_num_threads()
    torch.manual_seed(3)
    gradatim.tune("digits", model="linear", out=tmp_path / "t.toml", seconds=0.1)
    assert torch.equal(torch.rand(2), expected) and torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "knn"}, "solved, not trained by steps"),
        ({}, "no model was named"),
        ({"model": "linear", "out": "there.toml"}, "there already"),
    ],
)
def test_what_cannot_be_tuned_is_refused(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.toml").write_text("kept")
    with pytest.raises(UsageError, match=words):
        gradatim.tune("digits", **arguments)
    assert (tmp_path / "there.toml").read_text() == "kept"
    assert not (tmp_path / "tuned.toml").exists()
