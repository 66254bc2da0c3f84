"""Run folder -> page: what each kind of run tells, whole or not."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from gradatim.core.page import Chart, Code, Fold, Gallery, Heading, Table, Text, Verdict
from gradatim.core.recipe import Recipe
from gradatim.core.record import RecordWriter
from gradatim.errors import NotARunError, RunError
from gradatim.pages import evaluation
from gradatim.pages.report import report, reports
from gradatim.pages.run_folder import RunFolder

SPACE = "\N{NO-BREAK SPACE}"


def headings(page):
    return [block.text for block in page.blocks if isinstance(block, Heading)]


def all_blocks(blocks):
    for block in blocks:
        yield block
        if isinstance(block, Fold):
            yield from all_blocks(block.blocks)


def of(page, kind):
    return [block for block in all_blocks(page.blocks) if isinstance(block, kind)]


def table(page, caption):
    return next(block for block in of(page, Table) if block.caption.startswith(caption))


def verdict(page):
    assert isinstance(page.blocks[0], Verdict)
    return page.blocks[0]


@pytest.fixture
def copy(runs, tmp_path):
    return lambda name: shutil.copytree(runs[name], tmp_path / name)


def append(folder, event, **fields):
    with RecordWriter(folder / "record.jsonl") as writer:
        writer.write(event, **fields)


def test_a_ladder_answers_first(runs):
    page = report(runs["digits"])
    assert page.title == "digits" and page.subtitle == "digits-1 · 2026-03-14 09:26 UTC"
    said = verdict(page)
    assert said.statement == f"resnet18 names 98.3{SPACE}% of unseen images right"
    first, second = said.detail.split("\n")
    assert first == f"354 of 360 test images; 95 % interval 96.4 to 99.2{SPACE}%."
    assert second.startswith("Guessing the most frequent class gets 10.")
    assert said.level == "good"
    sections = [
        "The ladder",
        "Learning curves",
        "Mistakes",
        "Calibration",
        "Data",
        "Recipe",
        "Use it",
    ]
    assert headings(page) == sections


def test_the_ladder_has_every_rung_with_its_costs(runs):
    page = report(runs["digits"])
    rungs = next(block for block in of(page, Table) if block.columns[0] == "rung")
    assert [row[0] for row in rungs.rows] == [
        "majority",
        "knn",
        "linear",
        "mlp",
        "lenet",
        "resnet18",
    ]
    assert rungs.rows[5][1] == 11_172_810 and rungs.emphasis == [5]
    assert rungs.rows[5][4] == "+1.0 (−0.9 to +2.9)" and rungs.rows[0][4] == "–"
    assert rungs.rows[5][5] == f"1{SPACE}min{SPACE}18{SPACE}s"
    texts = " ".join(block.text for block in of(page, Text))
    assert "Not tried: resnet50" in texts
    titles = [chart.title for chart in of(page, Chart)]
    assert titles[:4] == [
        "Validation accuracy of each rung",
        "What each rung bought",
        "Loss",
        "Accuracy",
    ]


def test_curves_are_those_of_the_winner(runs):
    page = report(runs["digits"])
    loss = next(chart for chart in of(page, Chart) if chart.title == "Loss")
    assert "over 1,080 steps" in loss.alternative  # 30 epochs of 36 steps
    fold = next(block for block in of(page, Fold) if block.summary == "Loss of the other rungs")
    assert [b.text for b in fold.blocks if isinstance(b, Heading)] == ["linear", "mlp", "lenet"]


def test_the_most_wrong_are_shown_with_probabilities(runs):
    page = report(runs["digits"])
    (gallery,) = of(page, Gallery)
    assert len(gallery.pictures) == 6
    first = gallery.pictures[0]
    assert first.content.startswith(b"\x89PNG") and first.pixelated
    assert first.caption.startswith(f"7, not 8\n8: 97{SPACE}%\n7: 2{SPACE}%")


def test_per_class_numbers_agree_with_the_confusion(runs):
    test = RunFolder(runs["digits"]).test
    confusion = np.array(test["confusion"])
    rows = table(report(runs["digits"]), "Precision and recall").rows
    for index, row in enumerate(rows):
        precision = 100 * confusion[index, index] / confusion[:, index].sum()
        recall = 100 * confusion[index, index] / confusion[index].sum()
        for cell, share in zip(row[1:3], (precision, recall), strict=True):
            shown = 100.0 if cell == "all" else float(cell.split(SPACE)[0])
            assert shown == pytest.approx(share, abs=0.051)
        assert row[3] == confusion[index].sum()


def test_the_recipe_gives_reasons_and_commands(runs):
    page = report(runs["digits"])
    reasons = next(block for block in of(page, Table) if block.columns[0] == "key")
    assert ["data.batch_size", "32", "1,149 training samples"] in reasons.rows
    fold = next(block for block in of(page, Fold) if block.summary == "2 keys at their default")
    assert ["training.learning_rate", "0.1", "default of resnet"] in fold.blocks[0].rows
    codes = [block.text for block in of(page, Code)]
    assert f"gradatim predict {runs['digits']} photo.jpg" in codes
    assert f"gradatim fit --recipe {runs['digits']}/recipe.toml" in codes
    recipe = next(block for block in of(page, Code) if block.language == "toml").text
    assert Recipe.from_toml(recipe) == Recipe.read(runs["digits"] / "recipe.toml")
    assert not any("resume" in code for code in codes)


def test_a_run_without_a_test_part_says_so(runs):
    page = report(runs["photos"])
    said = verdict(page)
    assert said.statement == f"lenet names 68.9{SPACE}% of the validation images right"
    assert "No test part was measured" in said.detail and said.level == "plain"
    assert headings(page) == ["Learning curves", "Data", "Recipe", "Use it"]


def test_the_data_card_lists_what_was_left_out(runs):
    page = report(runs["photos"])
    rejected = table(page, "Not used (15)").rows
    assert ["train/hat/<img src=x onerror=alert(1)>.jpg", "truncated file"] in rejected
    assert len(rejected) == 15
    assert table(page, "Changed on the way in").rows[0][1] == 211
    assert table(page, "Equal samples with different labels").rows[0][1] == "skirt, dress"
    assert any(block.level == "note" and "Imbalanced" in block.text for block in of(page, Text))
    sizes = next(chart for chart in of(page, Chart) if chart.title == "Image sizes")
    assert "977 sizes" in sizes.alternative


def test_a_long_list_goes_on_behind_a_fold(copy):
    folder = copy("photos")
    audit = json.loads((folder / "audit.json").read_text())
    audit["rejected"] = [{"name": f"{i}.jpg", "reason": "zero bytes"} for i in range(700)]
    (folder / "audit.json").write_text(json.dumps(audit))
    page = report(folder)
    assert len(table(page, "Not used (700)").rows) == 12
    fold = next(block for block in of(page, Fold) if block.summary == "All 700: not used")
    assert len(fold.blocks[0].rows) == 500 and "200 more" in fold.blocks[1].text


def test_two_features_show_the_decision_boundary(runs):
    page = report(runs["moons"])
    assert "Decision boundary" in headings(page)
    wrong = table(page, "Most wrong")  # no pictures: a table
    assert wrong.rows[0] == ["row 3", "upper", f"lower: 80{SPACE}% · upper: 20{SPACE}%"]


def test_a_regression_tells_its_error_in_the_targets_unit(runs):
    page = report(runs["houses"])
    said = verdict(page)
    assert said.statement == f"mlp predicts price, off by 21,400{SPACE}€ on average"
    lines = said.detail.split("\n")
    assert lines[0] == f"Mean absolute error; 95 % interval 18,900 to 24,100{SPACE}€."
    assert lines[1] == "R² 0.790 on 150 test rows; 95 % interval 0.710 to 0.850."
    assert "Predictions" in headings(page) and "Mistakes" in headings(page)
    measures = table(page, "On 150 test rows")
    assert [row[0] for row in measures.rows] == [
        "R²",
        "mean absolute error",
        "root mean squared error",
    ]
    assert table(page, "Features").rows[0][0] == "area"


def test_predictions_are_drawn_in_the_targets_unit(runs):
    page = report(runs["houses"])
    chart = next(chart for chart in of(page, Chart) if chart.title.startswith("Predicted"))
    drawn = chart.specification["layer"][1]["data"]["values"]
    stored = load_file(runs["houses"] / "predictions.safetensors")
    true = np.sort(stored["test/targets"].astype(float) * 65_000 + 210_000)
    assert np.allclose(sorted(row["x"] for row in drawn), true, rtol=1e-4)


def test_a_killed_run_says_how_to_go_on(runs):
    page = report(runs["interrupted"])
    said = verdict(page)
    assert said.statement == "This run is not finished" and said.level == "note"
    assert "400 of 1,440 steps are done, epoch 12" in said.detail
    assert f"Best so far: mlp, 87.8{SPACE}% right on the validation images." in said.detail
    assert f"Go on: gradatim resume {runs['interrupted']}" in said.detail
    assert f"gradatim resume {runs['interrupted']}" in [block.text for block in of(page, Code)]


def test_a_ladder_under_way_shows_the_rungs_so_far(copy):
    folder = copy("digits")
    lines = (folder / "record.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["event"] in ("record", "run", "rung")][:5]
    (folder / "record.jsonl").write_text("".join(kept) + '{"event": "rung", "rung": 4, "mod')
    said = verdict(report(folder))
    assert said.statement == "This run is not finished"
    assert said.detail.startswith("3 rungs are climbed. Best so far: knn, 97.6")


def test_an_interrupted_run_that_was_measured_keeps_its_verdict(copy):
    folder = copy("moons")
    append(folder, "done", reason="interrupted", seconds=2.0)
    page = report(folder)
    assert verdict(page).statement.startswith("mlp names")
    note = page.blocks[1]
    assert note.level == "note" and f"gradatim resume {folder}" in note.text


def test_a_loss_that_is_no_number_is_an_alarm(copy):
    folder = copy("interrupted")
    append(folder, "end", reason="non-finite", epoch=12, step=400, seconds=4.0)
    said = verdict(report(folder))
    assert said.statement == "This run broke off" and said.level == "alarm"


def test_a_model_no_better_than_guessing_is_told(copy):
    folder = copy("moons")
    test = RunFolder(folder).test
    append(folder, **test | {"value": 0.52, "low": 0.44, "high": 0.6, "baseline": 0.5})
    said = verdict(report(folder))
    assert said.level == "note" and "cannot be told apart from guessing" in said.detail


def test_all_right_is_not_called_certain(copy):
    folder = copy("moons")
    append(folder, **RunFolder(folder).test | {"value": 1.0, "low": 0.975, "high": 1.0})
    said = verdict(report(folder))
    assert said.statement == "mlp names all 150 unseen samples right"
    assert said.detail.startswith(f"95 % interval from 97.5{SPACE}%.")


def test_a_run_killed_at_once_has_a_report(tmp_path):
    Recipe().with_values({"data.source": "digits"}).write(tmp_path / "recipe.toml")
    page = report(tmp_path)
    assert "Nothing was learnt yet." in verdict(page).detail
    assert headings(page) == ["Recipe", "Use it"]


def test_warnings_of_the_run_stand_below_the_verdict(runs):
    page = report(runs["photos"])
    assert page.blocks[1] == Text("class hat has 9 training images", "note")


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(NotARunError, match="there is no such run folder") as caught:
        report(tmp_path / "nothing")
    assert "recipe.toml" in str(caught.value)
    with pytest.raises(NotARunError, match="this is not a run folder"):
        report(tmp_path)


@pytest.mark.parametrize("name", ["audit.json", "record.jsonl", "recipe.toml", "boundary.json"])
def test_a_damaged_file_is_named(copy, name):
    folder = copy("moons")
    (folder / name).write_text("{ not\n")
    with pytest.raises(RunError, match="a file of the run is damaged") as caught:
        report(folder)
    assert name in str(caught.value) and "next:" in str(caught.value)


def test_damaged_predictions_are_named(copy):
    folder = copy("houses")
    (folder / "predictions.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(RunError, match=r"predictions\.safetensors"):
        report(folder)


def test_pictures_outside_the_run_are_not_read(copy):
    folder = copy("digits")
    shutil.copy(folder / "wrong" / "001.png", folder.parent / "secret.png")
    samples = [
        {
            "name": "a",
            "picture": place,
            "true": "1",
            "predicted": "2",
            "probabilities": [["2", 0.9]],
        }
        for place in ("../secret.png", str(folder.parent / "secret.png"))
    ]
    append(folder, "wrong", samples=samples)
    assert of(report(folder), Gallery) == []


def test_a_regressions_farthest_off_are_listed(copy):
    folder = copy("houses")
    sample = {"name": "row 7", "picture": None, "true": 210_000.0, "predicted": 350_250.0}
    append(folder, "wrong", samples=[sample])
    assert table(report(folder), "Farthest off").rows == [["row 7", "210,000", "350,200"]]


def test_many_classes_show_the_hardest_and_fold_the_rest(copy):
    folder = copy("digits")
    test = dict(RunFolder(folder).test)
    test["per_class"] = [
        {"name": f"class {i}", "precision": None, "recall": i / 60, "support": 60}
        for i in range(60)
    ]
    test["confusion"] = np.eye(60, dtype=int).tolist()
    append(folder, **test)
    page = report(folder)
    hardest = table(page, "The 20 classes with the lowest recall").rows
    assert [row[0] for row in hardest] == [f"class {i}" for i in range(20)]
    fold = next(block for block in of(page, Fold) if block.summary == "All 60 classes")
    assert len(fold.blocks[0].rows) == 60


def test_several_runs_stand_side_by_side(runs):
    page = reports(list(runs.values()))
    rows = of(page, Table)[0].rows
    assert [row[0] for row in rows] == [f"{name}-1" for name in runs]
    by_name = {row[0]: row for row in rows}
    assert by_name["digits-1"][4] == f"98.3{SPACE}%" and by_name["houses-1"][4] == "0.790 R²"
    assert by_name["interrupted-1"][4] == "not measured"
    assert headings(page) == list(by_name)
    assert not isinstance(page.blocks[0], Verdict)  # other data: nothing is the best


def test_runs_on_the_same_source_have_a_best(runs, copy):
    worse = copy("digits")
    append(worse, **RunFolder(worse).test | {"value": 0.9, "low": 0.86, "high": 0.93})
    page = reports([worse, runs["digits"]])
    assert verdict(page).statement.startswith("digits-1 is the best of 2 runs: accuracy 98.3")
    assert of(page, Table)[0].emphasis == [1]


def test_one_run_of_several_is_its_report(runs):
    assert reports([runs["moons"]]) == report(runs["moons"])


def test_an_evaluation_is_a_page(runs):
    test = RunFolder(runs["digits"]).test
    page = evaluation.page({**test, "source": "other/", "model": "resnet18", "kind": "image"})
    assert verdict(page).statement == f"resnet18 names 98.3{SPACE}% of unseen images right"
    assert headings(page) == ["Mistakes", "Calibration"]
    regression = RunFolder(runs["houses"]).test
    page = evaluation.page({**regression, "source": "x.csv", "model": "mlp", "target": "price"})
    assert verdict(page).statement == "mlp predicts price, off by 21,400 on average"
    assert table(page, "On 150 test samples: price").rows[0][1] == "0.790"


def test_a_winner_without_steps_shows_the_best_rung_that_has_some(copy):
    folder = copy("digits")
    append(folder, "winner", rung=2, model="knn", reason="as good as any")
    page = report(folder)
    texts = [block.text for block in of(page, Text)]
    assert "knn has no learning curve. These are the curves of resnet18." in texts
    fold = next(block for block in of(page, Fold) if block.summary == "Loss of the other rungs")
    assert [b.text for b in fold.blocks if isinstance(b, Heading)] == ["linear", "mlp", "lenet"]
