"""A loop watched from inside, and every run of ours watched into its own Record."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import gradatim
from gradatim import cli
from gradatim.core.finding import Evidence, Finding, Where
from gradatim.core.recipe import Recipe, parse_settings
from gradatim.core.record import Record
from gradatim.doctor import RULES
from gradatim.doctor.diagnosis import Verdict
from gradatim.doctor.recipe_cures import CURES, for_run
from gradatim.errors import DivergedError, UsageError
from gradatim.experiments import fitting
from gradatim.experiments.observing import observe
from gradatim.pages.report import report


def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
    x = torch.randn(256, 4)
    return model, torch.optim.SGD(model.parameters(), lr=0.1), x, (x[:, 0] > 0).long()


def descend(model, optimizer, x, y, steps=20, reset=True):
    for _ in range(steps):
        if reset:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(x[:32]), y[:32])
        loss.backward()
        optimizer.step()


def test_a_loop_is_judged_inside_and_after_and_left_as_it_was(capfd):
    model, optimizer, x, y = parts()
    before = torch.autograd.backward, F.cross_entropy, torch.no_grad.__enter__
    with gradatim.watch(model, optimizer) as seen:
        assert seen.verdict().verdict == "unknown"
        descend(model, optimizer, x, y, reset=False)
        inside = seen.verdict()
        descend(model, optimizer, x, y, reset=False)
    assert (torch.autograd.backward, F.cross_entropy, torch.no_grad.__enter__) == before
    assert not model._forward_hooks
    assert inside.findings[0].name == "missing-zero-grad"
    after = seen.verdict()
    assert after.verdict == "sick"
    assert after.to_dict()["script_exit"] is None
    assert "missing-zero-grad" in str(after)
    assert seen.page.blocks[0].level == "alarm"
    assert after.folder is None
    assert capfd.readouterr() == ("", "")


def test_watching_changes_no_bit():
    results = []
    for watched in (False, True):
        model, optimizer, x, y = parts()
        if watched:
            with gradatim.watch(model, optimizer):
                descend(model, optimizer, x, y)
        else:
            descend(model, optimizer, x, y)
        results.append([p.detach().clone() for p in model.parameters()] + [torch.rand(3)])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_folder_keeps_record_page_and_result(tmp_path):
    for _ in range(2):  # the second replaces the first
        model, optimizer, x, y = parts()
        with gradatim.watch(model, optimizer, out=tmp_path / "out") as seen:
            descend(model, optimizer, x, y)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"record.jsonl", "diagnosis.html", "diagnosis.json"}
    assert json.loads((tmp_path / "out" / "diagnosis.json").read_text()) == seen.verdict().to_dict()
    assert len(Record.read(tmp_path / "out").of("watched")) == 1


def test_an_exception_passes_through_and_is_noted():
    model, optimizer, x, y = parts()
    with pytest.raises(ZeroDivisionError), gradatim.watch(model, optimizer) as seen:
        descend(model, optimizer, x, y)
        1 / 0  # noqa: B018
    last = seen.record.last("unwatched")
    assert (last["error"], last["message"]) == ("ZeroDivisionError", "division by zero")
    assert "stopped with ZeroDivisionError" in " ".join(str(seen.verdict()).split())


def test_wrong_use_is_told():
    model, optimizer, *_ = parts()
    with pytest.raises(UsageError, match="only models and optimisers"):
        gradatim.watch(model, "adam")
    with (
        gradatim.watch(model, optimizer) as seen,
        pytest.raises(UsageError, match="watched already"),
        gradatim.watch(model),
    ):
        pass
    with pytest.raises(UsageError, match="used before"), seen:
        pass


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "run"
    return gradatim.fit("iris", model="mlp", epochs=30, seed=3, out=place)


def test_a_run_holds_what_was_observed_and_is_judged(run, capsys):
    record = Record.read(run.folder)
    assert len(record.of("watched")) == len(record.of("unwatched")) == 1
    assert record.last("unwatched")["step"] == len(record.of("step"))
    assert record.of("update")
    found = gradatim.diagnose(run.folder)
    assert found.is_run
    assert found.verdict in ("healthy", "sick")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["diagnose", str(run.folder), "--json"])
    assert json.loads(capsys.readouterr().out) == found.to_dict()
    assert stopped.value.code == (found.verdict == "sick")


def test_a_run_is_the_same_to_the_bit_when_it_is_not_watched(run, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "observe", None)
    other = gradatim.fit("iris", model="mlp", epochs=30, seed=3, out=tmp_path / "run")
    weights = [r.folder / "model" / "weights.safetensors" for r in (run, other)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert not Record.read(other.folder).of("watched")
    assert gradatim.diagnose(other.folder).verdict == "unknown"


def test_who_is_watched_is_not_watched_twice():
    events = []
    model, optimizer, x, y = parts()
    with (
        gradatim.watch(model, optimizer) as seen,
        observe(lambda event, **fields: events.append(event), 0),
    ):
        descend(model, optimizer, x, y)
    assert events == []
    assert seen.record.last("unwatched")["step"] == 20


def test_the_report_tells_a_sick_run_and_its_recipe_cure(tmp_path):
    settings = ["training.learning_rate=8", "training.warmup=0", "training.optimiser=sgd"]
    run = gradatim.fit("digits", model="mlp", epochs=4, settings=settings, out=tmp_path / "run")
    found = gradatim.diagnose(run.folder)
    assert found.verdict == "sick"
    assert all(item.where.file is None for item in found.findings)
    assert found.findings[0].cures[0].change.startswith("--set ")
    text = json.dumps(
        [block.__class__.__name__ + str(block) for block in report(run.folder).blocks]
    )
    assert "Heading(text='Doctor'" in text
    assert found.findings[0].name in text


def test_cures_of_runs_are_choices_a_recipe_has():
    assert set(CURES) <= set(RULES)
    for name, cures in CURES.items():
        for _, change in cures:
            if not change.startswith("gradatim "):
                key, _, value = change.partition("=")
                value = "1" if value[:1] in "*/" else value
                Recipe().with_values(parse_settings([f"{key}={value}"]))
        assert cures, name
    seen = [Evidence("learning rate", 0.5)]
    finding = Finding("learning-rate-too-high", "alarm", "", Where("a", "b", "c.py", 3), 1, seen)
    cured = for_run(Verdict("sick", [finding])).findings[0]
    assert cured.where == Where("a", "b")
    assert cured.cures[0].change == "--set training.learning_rate=0.05"
    stale = Finding("not-converging", "alarm")
    recipe = {"training": {"learning_rate": 0.02, "epochs": 4}, "seed": 0}
    changes = [cure.change for cure in for_run(Verdict("sick", [stale]), recipe).findings[0].cures]
    assert changes == ["--set training.learning_rate=0.002", "--set training.epochs=12"]
    other = for_run(Verdict("sick", [Finding("double-softmax", "alarm")])).findings[0]
    assert "--explain double-softmax" in other.cures[0].change


def test_training_that_diverges_before_a_validation_says_so_and_stays_readable(tmp_path, capsys):
    out = tmp_path / "run"
    given = ["digits", "--model", "lenet", "--epochs", "2", "--seed", "0", "--out", str(out),
             "--set", "training.learning_rate=1e20"]  # fmt: skip
    with pytest.raises(SystemExit) as stopped:
        cli.main(["fit", *given])
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    record = Record.read(out)
    end, last = record.last("end"), record.last("step")
    assert end["reason"] == "non-finite"
    assert last["step"] == end["step"] < 60
    assert (
        f"error: training diverged: the loss of step {end['step']} is not a finite number, at a "
        f"learning rate of {last['learning_rate']:.3g}, and no validation before"
    ) in told
    assert f"--set training.learning_rate=1e+19`; `gradatim diagnose {out}`" in told
    assert "Traceback" not in told
    assert "probability" not in told
    judged = gradatim.diagnose(out)
    assert judged.verdict == "sick"
    found = {item.name: item.step for item in judged.findings}
    assert found["non-finite"] == end["step"]


def test_weights_that_are_no_numbers_are_never_the_best(tmp_path):
    """The last step before the only validation is the one that diverges."""
    with pytest.raises(DivergedError, match="the validation loss after step 1 is not a finite"):
        gradatim.fit("digits", model="mlp", epochs=1, out=tmp_path / "run", seed=0,
                     settings=parse_settings(["data.batch_size=2000",
                                              "training.optimiser=sgd",
                                              "training.learning_rate=1e30"]))  # fmt: skip


def test_a_cell_of_a_notebook_is_named_as_the_place():
    cells = [
        "import torch\nfrom torch import nn\ntorch.manual_seed(0)\nF = nn.functional\n"
        "x = torch.randn(200, 4)\ny = (x[:, 0] > 0).long()\nnet = nn.Linear(4, 2)\n"
        "opt = torch.optim.SGD(net.parameters(), lr=0.1)",
        "def step(i):\n    loss = F.cross_entropy(net(x[i]).softmax(1), y[i])\n"
        "    opt.zero_grad()\n    loss.backward()\n    opt.step()",
        "with gradatim.watch(net, opt) as seen:\n"
        "    for i in torch.randperm(200).split(10):\n        step(i)",
    ]
    names = {"gradatim": gradatim}
    for number, cell in enumerate(cells, 1):
        exec(compile(cell, f"<ipython-input-{number}-0123456789ab>", "exec"), names)
    first = names["seen"].verdict().findings[0]
    assert first.name == "double-softmax"
    assert (first.where.file, first.where.line) == ("<ipython-input-2-0123456789ab>", 2)
