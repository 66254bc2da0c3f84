"""The commands as a user types them: results, exit codes, and words for every wrong input."""

import contextlib
import csv
import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gradatim import cli


def run(*arguments):
    """Run the command line in this process; return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    return stopped.value.code or 0


def photos(folder, classes=("cat", "dog"), count=12, side=12):
    random = np.random.default_rng(0)
    for shade, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(60 * shade, 60 * shade + 80, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A run on a folder of pictures, made once."""
    root = tmp_path_factory.mktemp("cli")
    photos(root / "photos")
    assert run("fit", root / "photos", "--model", "linear", "--epochs", "3",
               "--out", root / "run") == 0  # fmt: skip
    return root


def test_fit_prints_the_report_and_where_it_is(fitted, capsys):
    assert run("fit", fitted / "photos", "--model", "majority", "--out", fitted / "again") == 0
    shown = capsys.readouterr()
    assert "of unseen images right" in shown.out
    assert "report.html" in shown.out
    assert "gradatim predict" in shown.out


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "gradatim", "fti"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Usage: gradatim" in ended.stderr and "Did you mean 'fit'?" in ended.stderr


def test_work_goes_on_when_nobody_reads_the_progress(tmp_path):
    command = [sys.executable, "-m", "gradatim", "fit", str(photos(tmp_path / "photos"))]
    command += ["--model", "majority", "--out", str(tmp_path / "run")]
    read, written = os.pipe()
    os.close(read)
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(written, "wb") as closed:
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=closed, env=environment, check=False
        )
    assert ended.returncode == 0
    assert b"of unseen images right" in ended.stdout


def test_json_goes_alone_to_standard_output(fitted, capsys):
    assert run("evaluate", fitted / "run", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metric"] == "accuracy"
    assert run("evaluate", "--json", fitted / "run") == 0
    assert json.loads(capsys.readouterr().out)["confusion"] == result["confusion"]
    assert run("evaluate", fitted / "run", "--json", fitted / "result.json") == 0
    assert json.loads((fitted / "result.json").read_text())["value"] == result["value"]
    assert "right" in capsys.readouterr().out


def test_predict_answers_what_it_can(fitted, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    picture = fitted / "photos" / "cat" / "0.png"
    assert run("predict", fitted / "run", picture, tmp_path / "broken.jpg",
               "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.json") == 0  # fmt: skip
    good, bad = json.loads((tmp_path / "a.json").read_text())
    assert good["label"] in ("cat", "dog")
    assert good["probability"] == max(good["probabilities"].values())
    assert bad["error"]
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["label"] == good["label"]
    assert rows[1]["error"] == bad["error"]
    assert "1 of 2 inputs answered" in capsys.readouterr().out


def test_predict_a_folder_keeps_its_order(fitted, tmp_path):
    assert run("predict", fitted / "run", fitted / "photos", "--json", tmp_path / "a.json") == 0
    names = [answer["input"] for answer in json.loads((tmp_path / "a.json").read_text())]
    assert len(names) == 24
    assert names == sorted(names)


def test_predict_with_nothing_readable_fails(fitted, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"")
    assert run("predict", fitted / "run", tmp_path / "broken.jpg") == 2
    assert "broken.jpg" in capsys.readouterr().out


def test_audit_writes_its_page_and_says_what_was_left_out(fitted, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("audit", fitted / "photos") == 0
    assert "<html" in (tmp_path / "audit.html").read_text()
    photos(tmp_path / "mixed")
    (tmp_path / "mixed" / "cat" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    assert run("audit", tmp_path / "mixed", "--html", tmp_path / "b.html") == 1
    assert "torn.png" in capsys.readouterr().out


def test_reports_of_two_runs(fitted, capsys):
    assert run("report", fitted / "run", fitted / "again") == 0
    shown = capsys.readouterr().out
    assert "linear" in shown
    assert "majority" in shown


def test_resume_leaves_a_finished_run_alone(fitted, capsys):
    assert run("resume", fitted / "run") == 0
    assert "finished" in capsys.readouterr().err


def test_names_and_cache(capsys, tmp_path, monkeypatch):
    assert run("names") == 0
    assert run("names", "models", "--json") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.index("{") :])["lenet"]
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path / "kept"))
    photos(tmp_path / "photos")
    assert run("audit", tmp_path / "photos", "--html", tmp_path / "a.html") == 0
    assert run("cache", "show", "--json") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.rindex('{\n "action"') :])["bytes"] > 0
    assert run("cache", "clear") == 0
    assert run("cache", "--json") == 0
    shown = capsys.readouterr().out
    assert json.loads(shown[shown.rindex('{\n "action"') :])["entries"] == []


WRONG = {
    "missing path": (["fit", "no-such-folder"], "no file or folder at this place"),
    "unknown verb": (["fitt"], "Did you mean 'fit'"),
    "unknown option": (["fit", "digits", "--epoch", "2"], "--epochs"),
    "unknown model": (["fit", "digits", "--model", "lent"], "did you mean 'lenet'"),
    "unknown key": (["fit", "digits", "--set", "training.epoch=3"], "'training.epochs'"),
    "unknown option of a model": (
        ["fit", "digits", "--model", "mlp", "--set", "model.hiden=3"], "'hidden'",
    ),
    "wrong value": (["fit", "digits", "--set", "training.clip=tight"], "takes a number"),
    "unknown optimiser": (["fit", "digits", "--set", "training.optimiser=adm"], "'adam'"),
    "not a budget": (["fit", "digits", "--budget", "soon"], "this is not a time"),
    "no device": (["fit", "digits", "--model", "mlp", "--device", "tpu"], "device"),
    "no source": (["fit"], "no source was named"),
    "no recipe": (["fit", "--recipe", "none.toml"], "the recipe cannot be read"),
    "no run": (["resume", "runs/none"], "there is no such run folder"),
    "no run to report": (["report", "runs/none"], "there is no such run folder"),
    "no run to use": (["predict", "runs/none", "a.jpg"], "runs/none"),
    "no table of names": (["names", "modls"], "'models'"),
    "model that does not suit": (["fit", "iris", "--model", "lenet"], "does not take this kind"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_wrong_input_ends_in_words(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_wrong_folders_and_tables_end_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    photos(tmp_path / "one", classes=("cat",))
    (tmp_path / "table.csv").write_text("a,b,price\n" + "1,2,3\n4,5,6\n" * 20)
    for arguments, words in (
        (["fit", "empty"], "empty"),
        (["fit", "one"], "one class"),
        (["fit", "table.csv", "--target", "prise"], "'price'"),
        (["audit", "empty"], "empty"),
    ):
        assert run(*arguments) == 2, arguments
        assert words in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_damaged_runs_end_in_words(fitted, tmp_path, capsys):
    import shutil

    run_folder = tmp_path / "run"
    shutil.copytree(fitted / "run", run_folder)
    lines = (run_folder / "record.jsonl").read_text().splitlines(keepends=True)
    end = next(n for n, line in enumerate(lines) if '"end"' in line)
    (run_folder / "record.jsonl").write_text("".join(lines[:end]))
    tensors = next((run_folder / "checkpoint").glob("*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:-7])
    assert run("resume", run_folder) == 2
    assert "checkpoint" in capsys.readouterr().err
    weights = run_folder / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    assert run("predict", run_folder, fitted / "photos") == 2
    assert "weights.safetensors" in capsys.readouterr().err


def test_a_full_disk_is_said_and_loses_nothing(fitted, tmp_path, capsys, monkeypatch):
    real = os.replace

    def full(source, place):
        if "recipe.toml" in str(place):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, place)

    monkeypatch.setattr(os, "replace", full)
    arguments = ["fit", fitted / "photos", "--model", "linear", "--epochs", "1"]
    assert run(*arguments, "--out", tmp_path / "run") == 2
    assert "the disk is full" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error():
    code = "from gradatim.cli import main; main(['names', 'recipe'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    error = process.stderr.read()
    process.wait(timeout=60)
    assert b"Traceback" not in error


def test_interrupting_says_how_to_go_on(tmp_path):
    """Ctrl-C ends cleanly with what is best so far; the run goes on to the same bits."""
    import signal
    import time

    from safetensors.numpy import load_file

    command = [sys.executable, "-c", "from gradatim.cli import main; main()"]
    settings = ["fit", "digits", "--model", "lenet", "--epochs", "6"]
    process = subprocess.Popen(
        [*command, *settings, "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    record = tmp_path / "run" / "record.jsonl"
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if '"epoch"' in record.read_text():
                break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    if '"interrupted"' not in record.read_text():
        pytest.skip("the run had ended before the signal came")
    assert process.returncode == 0
    assert "gradatim resume" in out
    assert (tmp_path / "run" / "model").exists()
    assert run("resume", tmp_path / "run") == 0
    assert run(*settings, "--out", tmp_path / "whole") == 0
    one, other = (
        load_file(tmp_path / name / "model" / "weights.safetensors") for name in ("run", "whole")
    )
    assert all(one[key].tobytes() == other[key].tobytes() for key in one)


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["evaluate", "run", "--stress", "nois"], "noise"), (["audit", "--augment", "flp"], "flip")],
)
def test_a_slip_after_an_option_that_may_stand_alone_is_read_as_its_list(
    fitted, capsys, words, meant
):
    verb, *others = [fitted / word if word == "run" else word for word in words]
    assert run(verb, *others, *([fitted / "photos"] if verb == "audit" else [])) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_augment_alone_is_what_fit_does_and_takes_no_source_for_a_list(fitted, capsys):
    page = fitted / "sheet.html"
    for arguments in (["--augment", fitted / "photos"], [fitted / "photos", "--augment"]):
        assert run("audit", *arguments, "--html", page) == 0
        assert "(what fit does for resnet9)" in " ".join(capsys.readouterr().out.split())
    assert 'id="augmentation"' in page.read_text()
    assert run("audit", fitted / "photos", "--augment", "flip,hue=0.2", "--html", page,
               "--json", fitted / "card.json") == 0  # fmt: skip
    found = json.loads((fitted / "card.json").read_text())["augmentation"]
    assert found["strengths"]["data.hue"] == 0.2 and found["strengths"]["data.crop"] == "none"
    assert run("audit", fitted / "photos", "--augment", "flip,shake=2") == 2
    assert "there is no augmentation of this name: 'shake'" in capsys.readouterr().err


def test_compare_prints_the_answer_and_how_to_go_on(fitted, capsys):
    out = fitted / "comparison"
    words = ("compare", fitted / "photos", "--model", "linear", "--over", "epochs=1,6", "--seeds",
             "2", "--out", out)  # fmt: skip
    assert run(*words, "--json", fitted / "comparison.json", "--html", fitted / "c.html") == 0
    shown = capsys.readouterr()
    assert "validation accuracy" in shown.out and f"report   {out / 'report.html'}" in shown.out
    assert "4 of 4: training.epochs=6, seed 1" in " ".join(shown.err.split())
    facts = json.loads((fitted / "comparison.json").read_text())
    assert [row["value"] for row in facts["values"]] == [1, 6] and facts["finished"]
    assert (fitted / "c.html").read_text() == (out / "report.html").read_text()
    assert run(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out) == facts
    assert run("compare", fitted / "photos", "--over", "epocs=1,2") == 2
    assert "did you mean 'epochs'?" in capsys.readouterr().err
