"""Programs written by others, run watched: no error, no alarm, and the same output.

    python benchmarks/doctor/public.py FOLDER [--only mnist,vae] [--plain] [--out FILE]
        [--limit SECONDS] [--vision PYTHON] [--frameworks PYTHON]

FOLDER holds copies of the programs, which are not part of this repository; the table below says
which file each is. ``--vision`` is an interpreter with torchvision and fastai, ``--frameworks`` one
with gymnasium, Lightning and transformers; by default both are this one. Data sets stand in for those
that the programs would download: Fashion-MNIST in the files of MNIST, licence texts for WikiText.
A program that trains for ever is interrupted after a while, as by Ctrl-C; ``--limit`` shortens it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradatim
from gradatim.core.record import Record
from gradatim.doctor.diagnosis import diagnose

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Program:
    """One program: its file, arguments, the interpreter it needs, and seconds to give it."""

    file: str
    arguments: tuple[str, ...] = ()
    python: str = "frameworks"
    limit: int = 300
    paths: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


PROGRAMS = {
    "mnist": Program("examples/mnist/main.py", ("--epochs", "1"), "vision", 420),
    "vae": Program("examples/vae/main.py", ("--epochs", "2"), "vision", 420),
    "wlm-lstm": Program("wlm/main.py", ("--epochs", "3", "--log-interval", "10")),
    "wlm-transformer": Program(
        "wlm/main.py",
        ("--epochs", "3", "--model", "Transformer", "--lr", "5", "--log-interval", "10"),
    ),
    "time-sequence": Program(
        "examples/time_sequence/train.py",
        ("--device", "cpu", "--steps", "2"),
        settings={"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
    ),
    "reinforce": Program("reinforce/main.py", limit=150, paths=("newgym",)),
    "actor-critic": Program("examples/actor_critic/main.py", limit=150, paths=("oldgym",)),
    "private-mnist": Program(
        "opacus/mnist.py",
        ("--device", "cpu", "-n", "1", "--data-root", "../data", "--lr", "0.1"),
        "vision",
        paths=("private",),
    ),
    "dcgan": Program(
        "opacus/dcgan.py",
        (
            *("--data-root", "../data", "--device", "cpu", "--disable-dp", "--epochs", "1"),
            *("--imageSize", "64", "--ngf", "8", "--ndf", "8", "--workers", "0"),
            *("--manualSeed", "1"),
        ),
        "vision",
        240,
        paths=("private",),
    ),
    "lightning": Program("lightning_digits.py"),
    "huggingface": Program("huggingface_lines.py"),
    "fastai": Program("fastai_digits.py", python="vision"),
}


def run(program: Program, folder: Path, python: str, record: Path | None) -> tuple[int, str, str]:
    """Run a program, watched where there is a record; return exit code, output and errors."""
    own = HERE / "frameworks" / program.file
    script = (own if own.exists() else folder / program.file).resolve()
    packages = Path(gradatim.__file__).resolve().parents[1]
    paths = [*(str(folder.resolve() / path) for path in program.paths), str(packages)]
    watcher = ["-m", "gradatim.probes.child", str(record)] if record else []
    with tempfile.TemporaryDirectory() as scratch:
        child = subprocess.Popen(
            [python, *watcher, str(script), *program.arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=scratch if own.exists() else script.parent,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **program.settings},
        )  # fmt: skip
        try:
            output, errors = child.communicate(timeout=program.limit)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate()
    return child.returncode, output, errors


def examine(
    name: str, folder: Path, python: str, plain: bool, limit: int | None = None
) -> dict[str, Any]:
    """Run one program and return what the doctor says of it."""
    program = PROGRAMS[name]
    if limit is not None:
        program = replace(program, limit=min(limit, program.limit))
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(scratch) / "record.jsonl"
        began = time.monotonic()
        code, output, errors = run(program, folder, python, record)
        seconds = time.monotonic() - began
        size = record.stat().st_size
        seen = Record.read(record)
    verdict = diagnose(seen)
    end = seen.last("unwatched") or {}
    row: dict[str, Any] = {
        "name": name,
        "exit": code,
        "error": errors.strip().splitlines()[-1:] if code not in (0, 130) else [],
        "verdict": verdict.verdict,
        "alarms": [finding.name for finding in verdict.findings if finding.level == "alarm"],
        "notes": [finding.name for finding in verdict.findings if finding.level == "note"],
        "not_seen": len(verdict.not_seen),
        "steps": end.get("step"),
        "lost": end.get("lost"),
        "overhead": verdict.overhead,
        "seconds": round(seconds),
        "kB": size // 1024,
    }
    if plain:
        before = run(program, folder, python, None)
        timed = re.compile(r"[0-9.]+s|ms/batch +[0-9.]+|'[a-z_]*(time|second)[a-z_]*': '?[0-9.]+'?")
        row["same"] = timed.sub("", before[1]) == timed.sub("", output)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="names, with commas between")
    parser.add_argument("--plain", action="store_true", help="run unwatched too and compare")
    parser.add_argument("--limit", type=int, help="seconds for a program, when fewer than usual")
    parser.add_argument("--vision", default=sys.executable)
    parser.add_argument("--frameworks", default=sys.executable)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    for name in given.only.split(",") if given.only else PROGRAMS:
        python = getattr(given, PROGRAMS[name].python)
        row = examine(name, given.folder, python, given.plain, given.limit)
        print(json.dumps(row), flush=True)
        if given.out:
            with open(given.out, "a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
