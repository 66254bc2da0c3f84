"""Twelve faulty programs and twelve healthy ones, run watched inside this process."""

import runpy
import sys

import pytest
from cases import CASES
from controls import CONTROLS
from harness import stumbled, write

from gradatim.core.record import Record, RecordWriter
from gradatim.doctor import RULES, diagnose

FAULTY = ["F01", "F05", "F12", "F23", "F25", "F28", "F30", "F32", "F33", "F45", "F55", "F68"]
HEALTHY = [
    "H-mlp_moons", "H-mlp_blobs", "H-mlp_diabetes", "H-mlp_wine", "H-linear_diabetes",
    "H2-mlp_circles", "HT-trap_by_hand", "HT-trap_gan", "HT-trap_memorised", "HT-trap_lora",
    "HT-trap_lbfgs", "HT-trap_policy",
]  # fmt: skip


def verdict_of(item, folder, monkeypatch, capsys):
    from gradatim.probes.watcher import Watcher

    script = write(item.source(), folder)
    monkeypatch.setattr(sys, "argv", [str(script), "0"])
    monkeypatch.syspath_prepend(str(folder))
    path = folder / "record.jsonl"
    watcher = Watcher(RecordWriter(path))
    watcher.start()
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        watcher.stop(exit=0)
        sys.modules.pop("sets", None)
        capsys.readouterr()
    verdict = diagnose(Record.read(path))
    assert stumbled(verdict) == []
    return verdict


@pytest.mark.parametrize("id", FAULTY)
def test_the_fault_is_named_first(id, tmp_path, monkeypatch, capsys):
    case = next(item for item in CASES if item.id == id)
    verdict = verdict_of(case, tmp_path, monkeypatch, capsys)
    assert verdict.primary is not None
    assert verdict.primary.name in case.accept


@pytest.mark.parametrize("id", HEALTHY)
def test_nothing_is_said_of_a_healthy_run(id, tmp_path, monkeypatch, capsys):
    control = next(item for item in CONTROLS if item.id == id)
    verdict = verdict_of(control, tmp_path, monkeypatch, capsys)
    assert verdict.verdict == "healthy", [f.name for f in verdict.findings]


def test_the_benchmark_is_whole():
    assert len({case.id for case in CASES}) == 72
    assert len(CONTROLS) >= 60
    for item in [*CASES, *CONTROLS]:
        compile(item.source(), item.id, "exec")
    for case in CASES:
        assert set(case.accept) <= set(RULES), case.id
