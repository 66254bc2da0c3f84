"""Runs programs watched and unwatched, and compares diagnoses with what is accepted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gradatim.core.record import Record
from gradatim.doctor.diagnosis import FAILED, Verdict, diagnose
from gradatim.probes.parent import Script


def stumbled(verdict: Verdict) -> list[str]:
    """Return rules that could not read the Record: a fault of theirs, not of the program."""
    return [f"{name}: {why}" for name, why in verdict.not_seen.items() if why.startswith(FAILED)]


@dataclass
class Result:
    """One watched run."""

    verdict: Verdict
    exit: int
    record: Record
    trials: dict[str, Record] = field(default_factory=dict)

    @property
    def alarms(self) -> list[str]:
        return [item.name for item in self.verdict.findings if item.level == "alarm"]

    @property
    def notes(self) -> list[str]:
        return [item.name for item in self.verdict.findings if item.level == "note"]


def write(source: str, folder: Path, name: str = "program.py") -> Path:
    """Write a program beside the modules it imports."""
    folder.mkdir(parents=True, exist_ok=True)
    helper = Path(__file__).parent / "programs" / "sets.py"
    (folder / "sets.py").write_text(helper.read_text(encoding="utf-8"), encoding="utf-8")
    script = folder / name
    script.write_text(source, encoding="utf-8")
    return script


def watched(
    script: Path, seed: int, folder: Path, treatments: Mapping[str, str] | None = None
) -> Result:
    """Run a program watched, with trials of the treatments that are wanted."""
    run = Script(script, [str(seed)], record=folder / f"record-{seed}.jsonl", quiet=True)
    code = run.follow(lambda record: False, limit=600)
    record = Record(run.events)
    trials: dict[str, Record] = {}
    verdict = diagnose(record)
    while treatments:
        wanted = [name for name in verdict.wants if name in treatments and name not in trials]
        if not wanted:
            break
        name = wanted[0]
        trial = Script(
            script, [str(seed)], record=folder / f"trial-{seed}-{name}.jsonl",
            treatments=[treatments[name]], quiet=True,
        )  # fmt: skip
        trial.follow(lambda record: False, limit=600)
        trials[name] = Record(trial.events)
        verdict = diagnose(record, trials)
    return Result(verdict, code, record, trials)


def plain(script: Path, seed: int) -> str:
    """Run a program as it is and return its output."""
    done = subprocess.run(
        [sys.executable, str(script), str(seed)],
        capture_output=True, text=True, timeout=120, env=os.environ, check=False,
    )  # fmt: skip
    return done.stdout


def figure(output: str, name: str) -> float:
    """Return the last figure of a name in a program's output; not-a-number when there is none."""
    found = re.findall(rf"{name} (\S+)", output)
    return float(found[-1]) if found else float("nan")


def localised(result: Result, where: str, script: Path) -> bool | None:
    """Say whether the primary finding names the place; None where no place is asked for."""
    first = result.verdict.primary
    if not where or first is None:
        return None
    place = first.where
    lines = script.read_text(encoding="utf-8").splitlines()
    line = lines[place.line - 1] if place.line and place.line <= len(lines) else ""
    names = f"{place.module or ''} {place.parameter or ''}"
    return where in line or where in names
