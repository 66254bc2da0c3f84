"""How long until the alarm is on the terminal? Seconds from the start of training, while it runs.

    python benchmarks/doctor/alarm.py [--only F01,F22] [--out FILE]

Faulty programs of the benchmark are made long (a thousand times as many epochs) and run under
``gradatim diagnose --stop-on-alarm``. Each tells on its own standard output when its first epoch
begins; the clock stops when a line with an alarm of an accepted name arrives on standard error. In
the cases that need it, the fault begins, or can only be seen, later: ``late`` is a healthy run whose
loss stops being finite at step 2,000, and tells that moment instead.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import IO, Any

from run import CASES, write

CHOSEN = [
    "F01",
    "F05",
    "F08",
    "F13",
    "F17",
    "F22",
    "F23",
    "F27",
    "F30",
    "F35",
    "F42",
    "F45",
    "F46",
    "F49",
    "F51",
    "F53",
    "F57",
    "F66",
    "F67",
    "F72",
]
LOOP = re.compile(r"^( *)for (epoch|step) in range\((\w+)\):", re.M)
BEGINS = 'print("BEGINS", __import__("time").time(), flush=True)'
LATE = f"""
import torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(2000, 20)
y = (x[:, 0] > 0).long()
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for step in range(10**7):
    pick = torch.randint(0, 2000, (32,))
    loss = nn.functional.cross_entropy(model(x[pick]), y[pick])
    if step == 2000:
        {BEGINS}
    if step >= 2000:
        loss = loss * float("nan")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
LIMIT = 60.0


def long(source: str) -> str:
    """Return a program that trains a thousand times as long and tells when it begins."""
    changed, count = LOOP.subn(rf"\1{BEGINS}\n\1for \2 in range(1000 * \3):", source, count=1)
    if count != 1:
        raise ValueError("no loop over epochs or steps was found")
    return changed


def listen(stream: IO[str], pattern: str, heard: dict[str, float]) -> None:
    """Note when each line that matches first arrives, by the matched text."""
    for line in stream:
        for text in re.findall(pattern, line):
            heard.setdefault(text, time.time())


def measure(source: str, folder: Path) -> dict[str, Any]:
    """Run a program until its first alarm; return the seconds each alarm took."""
    script = write(source, folder)
    command = [sys.executable, "-c", "from gradatim.cli import main; main()", "diagnose"]
    process = subprocess.Popen(
        [*command, "--stop-on-alarm", "--limit", f"{LIMIT:.0f}s", "--out", folder / "out", script],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    begins: dict[str, float] = {}
    alarms: dict[str, float] = {}
    assert process.stdout is not None and process.stderr is not None
    ears = [
        threading.Thread(target=listen, args=(process.stdout, r"BEGINS ([\d.]+)", begins)),
        threading.Thread(target=listen, args=(process.stderr, r"ALARM ([\w-]+)", alarms)),
    ]
    for ear in ears:
        ear.start()
    for ear in ears:
        ear.join()
    process.wait()
    began = float(min(begins)) if begins else None
    seconds = {name: round(at - began, 1) for name, at in alarms.items()} if began else {}
    return {"seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join([*CHOSEN, "late"]), help="ids, with commas")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cases = {case.id: case for case in CASES}
    taken = []
    for name in given.only.split(","):
        source = LATE if name == "late" else long(cases[name].source())
        accept = ("non-finite",) if name == "late" else cases[name].accept
        with tempfile.TemporaryDirectory() as folder:
            row = {"id": name, "accept": accept, **measure(source, Path(folder))}
        if row["seconds"]:
            taken.append(min(row["seconds"].values()))
        print(json.dumps(row), flush=True)
        if given.out:
            with open(given.out, "a") as file:
                file.write(json.dumps(row) + "\n")
    if taken:
        print(f"{len(taken)} alarms: median {median(taken):.1f} s, largest {max(taken):.1f} s")


if __name__ == "__main__":
    main()
