"""One command from data to a model, in small."""

import json
import time

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.data.hostile import picture

import gradatim
from gradatim.core.recipe import Recipe
from gradatim.core.talk import Silence
from gradatim.data import prepare
from gradatim.data.larger import Larger
from gradatim.errors import CheckpointError, UsageError
from gradatim.experiments import fitting
from gradatim.experiments.run import start


def weights(run):
    return load_file(run.folder / "model" / "weights.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "lenet"
    return gradatim.fit("digits", model="lenet", epochs=2, seed=3, out=out)


def test_the_run_folder_holds_what_the_design_says(run):
    names = {path.name for path in run.folder.iterdir()}
    assert {
        "recipe.toml", "record.jsonl", "split.json", "audit.json", "checkpoint", "model",
        "predictions.safetensors", "report.html", "wrong",
    } <= names  # fmt: skip
    assert run.reason == "finished"
    assert run.model == "lenet"
    assert not list(run.folder.rglob("*.tmp"))


def test_every_step_is_in_the_record_once(run):
    record = gradatim.Record.read(run.folder)
    head = record.of("run")
    steps = [event["step"] for event in record.of("step")]
    assert len(head) == 1
    assert steps == list(range(1, head[0]["total_steps"] + 1))
    assert [event["epoch"] for event in record.of("epoch")] == [1, 2]
    for name in ("end", "test", "wrong", "done"):
        assert len(record.of(name)) == 1, name


def test_the_test_event_agrees_with_the_predictions(run):
    kept = load_file(run.folder / "predictions.safetensors")
    right = kept["test/scores"].argmax(1) == kept["test/targets"]
    assert run.test["samples"] == len(right)
    assert run.test["value"] == pytest.approx(right.mean())
    assert np.trace(np.array(run.test["confusion"])) == right.sum()
    assert run.test["low"] < run.test["value"] < run.test["high"]


def test_the_package_predicts_what_was_measured(run):
    data = gradatim.load(run.folder)
    kept = load_file(run.folder / "predictions.safetensors")
    from gradatim.data import prepare

    prepared, _ = prepare(run.recipe)
    scores = data.predict_scores(prepared.inputs[kept["test/indices"]])
    assert np.abs(scores - kept["test/scores"]).max() < 2e-2  # bf16 in training, fp32 here
    answer = data.predict(prepared.inputs[int(kept["test/indices"][0])])
    assert answer.label in data.classes
    assert isinstance(data.module, torch.nn.Module)
    assert not data.module.training


def test_evaluate_measures_the_same_as_the_run_did(run):
    again = gradatim.evaluate(run.folder)
    assert again["value"] == run.test["value"]
    assert again["confusion"] == run.test["confusion"]


def test_the_recipe_reproduces_the_run_bit_for_bit(run, tmp_path):
    again = gradatim.fit(recipe=run.folder / "recipe.toml", out=tmp_path / "again")
    assert same(weights(run), weights(again))


def test_another_seed_gives_other_weights(run, tmp_path):
    other = gradatim.fit("digits", model="lenet", epochs=2, seed=4, out=tmp_path / "other")
    assert not same(weights(run), weights(other))


def test_every_automatic_choice_has_a_reason(run):
    recipe = Recipe.read(run.folder / "recipe.toml")
    assert recipe.training.learning_rate is not None
    assert recipe.machine.device is not None
    for key in ("training.learning_rate", "data.batch_size", "machine.precision", "data.flip"):
        assert recipe.reasons[key]
    assert "training.epochs" not in recipe.reasons  # the user said so


def test_a_finished_run_is_left_alone(run):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    again = gradatim.resume(run.folder)
    assert again.test == run.test
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_a_lost_report_is_written_again(run):
    (run.folder / "report.html").unlink()
    gradatim.resume(run.folder)
    assert "lenet" in (run.folder / "report.html").read_text()


def test_global_random_numbers_are_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    gradatim.fit("moons", model="mlp", epochs=1, out=tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_the_out_folder_must_be_free(run):
    with pytest.raises(UsageError, match="not empty") as caught:
        gradatim.fit("digits", model="lenet", epochs=1, out=run.folder)
    assert "gradatim resume" in str(caught.value)


def test_other_data_cannot_be_resumed(tmp_path):
    rows = [[f"{x}", f"{x * x % 7}", "ab"[x % 2]] for x in range(200)]
    table = tmp_path / "table.csv"
    table.write_text("x,z,label\n" + "\n".join(",".join(row) for row in rows))
    run = gradatim.fit(table, model="linear", epochs=1, out=tmp_path / "run")
    lines = (run.folder / "record.jsonl").read_text().splitlines(keepends=True)
    (run.folder / "record.jsonl").write_text("".join(lines[:-1]))  # as if it had been killed
    table.write_text(table.read_text().replace("199", "1990"))
    with pytest.raises(CheckpointError, match="no longer those the run began with"):
        gradatim.resume(run.folder)


def test_two_numbers_draw_a_boundary(tmp_path):
    run = gradatim.fit("moons", model="mlp", epochs=3, out=tmp_path / "run")
    boundary = json.loads((run.folder / "boundary.json").read_text())
    assert np.array(boundary["winner"]).shape == (boundary["y"][2], boundary["x"][2])
    assert "boundary" in (run.folder / "report.html").read_text().lower()


def test_default_folders_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [gradatim.fit("iris", model="majority").folder for _ in range(2)]
    assert [str(folder) for folder in folders] == [
        "runs/iris-majority-1", "runs/iris-majority-2",
    ]  # fmt: skip


def test_a_new_length_replaces_that_of_the_recipe(tmp_path):
    timed = gradatim.fit("iris", model="linear", budget=5, epochs=3, out=tmp_path / "timed")
    assert (timed.recipe.training.budget, timed.recipe.training.epochs) == (5, 3)
    assert timed.recipe.training.plan
    recipe = timed.folder / "recipe.toml"
    counted = gradatim.fit(recipe=recipe, epochs=2, out=tmp_path / "counted")
    assert counted.recipe.training.budget is None
    assert gradatim.Record.read(counted.folder).last("end")["epoch"] == 2


def test_a_budget_counts_from_the_start_of_the_command(tmp_path, monkeypatch):
    """The audit included: here it seems to have taken 40 of 41 seconds."""
    warnings, given = [], []

    class Talk(Silence):
        def warn(self, text):
            warnings.append(text)

    def fit_model(*arguments, seconds):
        given.append(seconds)
        return fitted(*arguments, seconds=seconds)

    fitted = fitting.fit_model
    monkeypatch.setattr(fitting, "fit_model", fit_model)
    recipe = Recipe().with_values(
        {"data.source": "digits", "model.name": "linear", "training.budget": 41.0}
    )
    run = start(recipe, tmp_path / "run", Talk(), began=time.monotonic() - 40)
    assert given == [pytest.approx(0.02 * 41)]  # the least
    assert gradatim.Record.read(run.folder).last("done")["seconds"] > 40
    assert any("of the budget of 41" in text for text in warnings)


@pytest.fixture
def photos(tmp_path):
    for number in range(40):
        file = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(50, 40, seed=number).save(file)
    return tmp_path / "photos"


def test_crops_of_larger_photos_are_chosen_said_and_measured_as_before(photos, tmp_path):
    crops = {"data.size": 24, "data.crop": "resized"}
    runs = [
        gradatim.fit(photos, model="lenet", epochs=2, settings=crops | more, out=tmp_path / name)
        for name, more in (("larger", {}), ("as stored", {"data.crop_from": 24}))
    ]
    larger, stored = runs
    assert (larger.recipe.data.crop_from, stored.recipe.data.crop_from) == (40, 24)
    assert larger.recipe.reasons["data.crop_from"].startswith("half of the pictures have at most")
    assert "data.crop_from" not in stored.recipe.reasons
    assert not same(weights(larger), weights(stored))
    keys, looks = [], []
    for run in runs:
        assert gradatim.evaluate(run.folder)["value"] == run.test["value"]
        keys.append(json.loads((run.folder / "split.json").read_text()))
        looks.append(gradatim.load(run.folder).preprocessing)
    assert keys[0] == keys[1] and looks[0] == looks[1]
    again = gradatim.fit(recipe=larger.folder / "recipe.toml", out=tmp_path / "again")
    assert same(weights(larger), weights(again))


def test_sides_that_crops_are_taken_from_are_compared(photos, tmp_path):
    """LeNet alone would take no crops; naming their source asks for them."""
    found = gradatim.compare(
        photos, over="data.crop_from=24,40", model="lenet", epochs=2, seeds=1,
        settings={"data.size": 24}, out=tmp_path / "compared",
    )  # fmt: skip
    assert [row["label"] for row in found.facts["values"]] == ["24", "40"]
    steps = []
    for member in sorted((tmp_path / "compared" / "members").iterdir()):
        recipe = Recipe.read(member / "recipe.toml")
        assert recipe.data.crop == "resized"
        assert recipe.reasons["data.crop"].startswith("data.crop_from says")
        steps.append([event["loss"] for event in gradatim.Record.read(member).of("step")])
    assert len(steps) == 2 and steps[0] != steps[1]


def test_storing_larger_photos_takes_its_time_from_that_of_the_training(
    photos, tmp_path, monkeypatch
):
    given = []

    def store(self, side):
        time.sleep(0.4)
        return np.zeros((40, side, side, 3), np.uint8)

    def train(*arguments, seconds, **options):
        given.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr(Larger, "at", store)
    monkeypatch.setattr(fitting.training, "train", train)
    settings = {"data.size": 24, "data.crop": "resized"}
    prepared, recipe = prepare(Recipe().with_values({"data.source": str(photos)} | settings))
    recipe = recipe.with_values({"model.name": "lenet"})
    with pytest.raises(KeyboardInterrupt):
        fitting.fit_model(prepared, recipe, tmp_path / "run", Silence(), seconds=5.0)
    assert 4 < given[0] <= 4.6
