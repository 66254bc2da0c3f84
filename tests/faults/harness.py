"""Runs programs watched and unwatched, and compares diagnoses with what is accepted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gradatim.core.record import Record
from gradatim.doctor.diagnosis import FAILED, Verdict, diagnose
from gradatim.experiments.diagnosing import diagnose_script


def stumbled(verdict: Verdict) -> list[str]:
    """Return rules that could not read the Record: a fault of theirs, not of the program."""
    return [f"{name}: {why}" for name, why in verdict.not_seen.items() if why.startswith(FAILED)]


@dataclass
class Result:
    """One watched run."""

    verdict: Verdict
    exit: int
    record: Record
    trials: dict[str, Record]
    passive: Verdict  # before the trials


def names(verdict: Verdict, level: str) -> list[str]:
    """Return the names of the findings of one level, the primary first."""
    return [item.name for item in verdict.findings if item.level == level]


def write(source: str, folder: Path, name: str = "program.py") -> Path:
    """Write a program beside the modules it imports."""
    folder.mkdir(parents=True, exist_ok=True)
    helper = Path(__file__).parent / "programs" / "sets.py"
    (folder / "sets.py").write_text(helper.read_text(encoding="utf-8"), encoding="utf-8")
    script = folder / name
    script.write_text(source, encoding="utf-8")
    return script


def watched(script: Path, seed: int, folder: Path, probe: bool = False) -> Result:
    """Run a program watched, with trials of the treatments that are wanted."""
    done = diagnose_script(
        script, [str(seed)], record=folder / f"record-{seed}.jsonl",
        probe=probe, timeout=600, quiet=True,
    )  # fmt: skip
    passive = diagnose(done.record) if done.trials else done.verdict
    return Result(done.verdict, done.exit, done.record, done.trials, passive)


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


def localised(verdict: Verdict, where: str, script: Path, *also: str) -> bool | None:
    """Say whether the primary finding names the place; None where no place is asked for."""
    first = verdict.primary
    if not where or first is None:
        return None
    place = first.where
    lines = script.read_text(encoding="utf-8").splitlines()
    line = lines[place.line - 1] if place.line and place.line <= len(lines) else ""
    names = f"{place.module or ''} {place.parameter or ''}"
    return any(word in line or word in names for word in (where, *also))
