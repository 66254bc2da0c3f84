"""A script is judged while it runs, and what is open is settled by trials."""

import pytest

from gradatim.core.finding import Finding
from gradatim.core.record import Record
from gradatim.doctor.diagnosis import Verdict
from gradatim.errors import SourceNotFoundError
from gradatim.experiments import diagnosing
from gradatim.experiments.diagnosing import EVERY, LONGEST, diagnose_script, next_trial

SCRIPT = """
import sys
import torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(256, 4)
y = (x[:, 0] > x[:, 1]).long()
model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]), momentum=0.9)
for step in range(300):
    i = torch.randint(0, 256, (32,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x[i]), y[i])
    loss.backward()
    optimizer.step()
    print(step, loss.item())
"""


def test_a_trial_settles_what_is_open_and_the_output_is_the_script_s_own(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    said, tried = [], []
    done = diagnose_script(
        script, ["0.00003"], record=tmp_path / "record.jsonl", output=tmp_path / "out.txt",
        probe=True, look=said.append, trying=lambda name, names: tried.append(name),
    )  # fmt: skip
    assert done.exit == 0
    assert done.verdict.primary.name == "learning-rate-too-low"
    assert done.verdict.primary.where.line == 9
    assert list(done.trials) == tried
    assert tried[-1] == "learning-rate-tenfold"
    assert said[-1] is done.verdict
    assert len((tmp_path / "out.txt").read_text().splitlines()) == 300
    assert (tmp_path / "record-learning-rate-tenfold.jsonl").exists()


def test_no_time_for_trials_is_no_trial(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    record = tmp_path / "record.jsonl"
    done = diagnose_script(script, ["0.00003"], record=record, probe=True, limit=0.0, quiet=True)
    assert done.trials == {}
    assert "learning-rate-tenfold" in done.verdict.wants


def test_a_script_can_be_ended_by_its_first_alarm(tmp_path):
    script = tmp_path / "train.py"
    endless = SCRIPT.replace("range(300)", "range(10**9)").replace("optimizer.zero_grad()", "")
    script.write_text(endless.replace("print(step, loss.item())", ""))
    record = tmp_path / "record.jsonl"
    done = diagnose_script(script, ["0.1"], record=record, stop_on_alarm=True, probe=True)
    assert done.exit < 0
    assert done.verdict.primary.name == "missing-zero-grad"
    assert done.trials == {}


def test_a_script_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceNotFoundError, match="no script"):
        diagnose_script(tmp_path / "train.py", record=tmp_path / "record.jsonl")


def test_trials_are_made_until_a_cause_is_found():
    wants = {"one-batch": ["too-little-capacity"], "learning-rate-tenth": ["dying-relu"]}

    def verdict(*names):
        findings = [Finding(name=name, level="alarm", says="") for name in names]
        return Verdict("sick" if names else "healthy", findings, wants=wants)

    assert next_trial(verdict(), {}) == "learning-rate-tenth"
    assert next_trial(verdict("not-converging"), {"learning-rate-tenth": None}) == "one-batch"
    assert next_trial(verdict("double-softmax", "not-converging"), {}) is None
    assert next_trial(verdict("not-converging"), dict.fromkeys(wants)) is None


@pytest.mark.parametrize(("cost", "wait"), [(0.01, 0.1), (0.3, 3.0), (5.0, LONGEST)])
def test_slow_judging_is_done_less_often_but_an_alarm_never_waits_long(monkeypatch, cost, wait):
    clock = {"wall": 100.0, "work": 0.0}
    monkeypatch.setattr(diagnosing.time, "monotonic", lambda: clock["wall"])
    monkeypatch.setattr(diagnosing.time, "process_time", lambda: clock["work"])

    def judge(record):
        clock["work"] += cost
        return True

    looking = diagnosing._Looking(judge)
    assert looking(Record([]))
    clock["wall"] += wait - 0.01
    assert not looking(Record([]))
    clock["wall"] += 0.02
    assert looking(Record([]))
    assert wait + EVERY < 10
