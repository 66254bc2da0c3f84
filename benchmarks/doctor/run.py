"""The doctor's benchmark: faulty programs, healthy controls, recall, false alarms, places.

    python benchmarks/doctor/run.py [--only F01,H] [--seeds 1] [--probe] [--out FILE]
    python benchmarks/doctor/run.py --report FILE     figures of what was written, with intervals
    python benchmarks/doctor/run.py --manifest        do the faults show? twin beside patient
    python benchmarks/doctor/run.py --harm            is the output the same to the byte?

``--second`` takes the programs in ``second/`` instead: written by another hand, from the names of
the faults; ``table.json`` says which of them were held back from those who work on the rules.

One line a run goes to the output file (JSON), so that a long benchmark can be taken up again: runs
that are in the file already are left out. One program runs at a time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "faults"))

from cases import CASES, Case, patched  # noqa: E402
from controls import CONTROLS, Control  # noqa: E402
from harness import (  # noqa: E402
    Result,
    figure,
    localised,
    names,
    plain,
    stumbled,
    watched,
    write,
)

from gradatim.doctor import Verdict  # noqa: E402

Row = dict[str, Any]
SECOND = Path(__file__).parent / "second"


def second() -> tuple[list[Case], list[Control], dict[str, str]]:
    """Return the faulty and healthy programs of the second suite, and the part of each id."""
    table = json.loads((SECOND / "table.json").read_text(encoding="utf-8"))
    folder = SECOND / "programs"
    faulty = [
        Case(
            id=item["id"],
            twin=item["twin"],
            patch=tuple((old, new) for old, new in item["patch"]),
            accept=tuple(item["accept"]),
            where=item["where"][0] if item["where"] else "",
            also=tuple(item["where"][1:]),
            tier=item["tier"],
            programs=folder,
        )
        for item in table["faulty"]
    ]
    healthy = [Control(item["id"], item["id"], programs=folder) for item in table["healthy"]]
    return faulty, healthy, {i["id"]: i["part"] for part in table.values() for i in part}


def wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion."""
    if n == 0:
        return 0.0, 1.0
    p, zz = k / n, z * z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def half(item: Case | Control) -> str:
    """Return the half of a program: programs are split by architecture x data, that is by twin."""
    twins = sorted({case.twin for case in CASES} | {control.twin for control in CONTROLS})
    return "development" if twins.index(item.twin) % 2 == 0 else "confirmation"


def diagnosed(item: Case | Control, seed: int, probe: bool) -> list[Row]:
    """Run one program watched; with ``probe``, also with trials. A row for each mode that was run.

    A run with trials begins as a run without: its verdict before the trials is the passive one.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = write(item.source(), Path(folder))
        began = time.process_time() + children()
        result = watched(script, seed, Path(folder), probe)
        used = round(time.process_time() + children() - began, 1)
        modes = [(False, result.passive), (True, result.verdict)][: 1 + probe]
        return [row(item, seed, mode, verdict, result, script, used) for mode, verdict in modes]


def children() -> float:
    """Return the processor time of child processes that have ended, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


def row(
    item: Case | Control,
    seed: int,
    probe: bool,
    verdict: Verdict,
    result: Result,
    script: Path,
    used: float,
) -> Row:
    """Return what the output file keeps of one verdict."""
    first = verdict.primary
    row: Row = {
        "id": item.id,
        "seed": seed,
        "probe": probe,
        "exit": result.exit,
        "alarms": names(verdict, "alarm"),
        "notes": names(verdict, "note"),
        "wants": sorted(verdict.wants),
        "trials": list(result.trials) if probe else [],
        "stumbled": stumbled(verdict),
        "lost": result.record.events[-1].get("lost"),
        "processor_seconds": used,
        "overhead": verdict.overhead,
        "step": first.step if first else None,
        "steps": result.record.events[-1].get("step"),
        "place": [first.where.module, first.where.parameter, first.where.line] if first else None,
    }
    if isinstance(item, Case):
        row["accept"], row["tier"] = list(item.accept), item.tier
        row["localised"] = localised(verdict, item.where, script, *item.also)
    return row


def hit(row: Row, count: int) -> bool:
    """Say whether one of the first alarms is an accepted diagnosis."""
    return bool(set(row["alarms"][:count]) & set(row["accept"]))


def proportion(name: str, flags: list[bool]) -> None:
    low, high = wilson(sum(flags), len(flags))
    print(f"  {name}: {sum(flags)}/{len(flags)} ({100 * low:.1f} to {100 * high:.1f} %)")


def report(rows: list[Row], parts: dict[str, str]) -> None:
    """Print the figures of each mode, for all programs and for the two parts."""
    for probe in (False, True):
        of_mode = [row for row in rows if row["probe"] == probe]
        for part in ("all", *sorted(set(parts.values()), reverse=True)):
            chosen = [row for row in of_mode if part in ("all", parts[row["id"]])]
            if chosen:
                print(f"{'probe' if probe else 'passive'}, {part}:")
                figures(chosen)
    costs = [row["overhead"] for row in rows if row["overhead"] is not None]
    if costs:
        print(f"share of time spent on looking: median {median(costs):.3f}, worst {max(costs):.3f}")


def figures(rows: list[Row]) -> None:
    """Print recall, places, and false alarms."""
    faults = [row for row in rows if "accept" in row]
    if faults:
        proportion("detected, any alarm", [bool(row["alarms"]) for row in faults])
        proportion("detected, by an accepted name", [hit(row, 99) for row in faults])
        proportion("top-1", [hit(row, 1) for row in faults])
        proportion("top-3", [hit(row, 3) for row in faults])
        some = [hit(row, 1) and any(row["place"] or []) for row in faults]
        proportion("top-1 with a module, parameter or line", some)
        placed = [row for row in faults if row["localised"] is not None]
        proportion("the place asked for, where one is", [row["localised"] for row in placed])
    controls = [row for row in rows if "accept" not in row]
    if controls:
        proportion("false alarms per run", [bool(row["alarms"]) for row in controls])
        loud = {row["id"] for row in controls if row["alarms"]}
        proportion("false alarms per program", [i in loud for i in {r["id"] for r in controls}])


def manifest(case: Case, seeds: int) -> str:
    """Compare a patient with its twin on the case's own outcome, seed by seed."""
    with tempfile.TemporaryDirectory() as folder:
        sick = write(case.source(), Path(folder), "sick.py")
        well = write(patched(case.twin, (), case.programs), Path(folder), "well.py")
        worse, pairs = 0, []
        for seed in range(seeds):
            a = figure(plain(sick, seed), case.outcome)
            b = figure(plain(well, seed), case.outcome)
            pairs.append(f"{a:.3g}/{b:.3g}")
            if case.outcome == "accuracy":
                worse += not a > b - 0.05
            else:
                worse += not a < b * 1.1
    return f"{case.id} {case.tier}: worse on {worse} of {seeds}, {case.outcome} {' '.join(pairs)}"


def harm(item: Case | Control) -> str:
    """Compare a program's output with and without being watched."""
    from gradatim.probes.parent import Script

    with tempfile.TemporaryDirectory() as folder:
        script = write(item.source(), Path(folder))
        expected = plain(script, 0)
        out = Path(folder) / "out.txt"
        run = Script(script, ["0"], record=Path(folder) / "record.jsonl", output=out)
        run.follow(lambda record: False, limit=120)
        same = out.read_text() == expected
    return f"{item.id}: {'the same to the byte' if same else 'DIFFERENT'}"


def each(items: list[Case | Control], act: Callable[[Any], str]) -> None:
    for item in items:
        print(act(item), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="ids, or F or H, with commas between")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--manifest", action="store_true")
    parser.add_argument("--harm", action="store_true")
    parser.add_argument("--second", action="store_true", help="the programs in second/")
    given = parser.parse_args()
    if given.second and given.manifest:
        parser.error(
            "--manifest reads figures that the programs of the second suite name otherwise"
        )
    cases, controls = CASES, CONTROLS
    parts = {item.id: half(item) for item in [*CASES, *CONTROLS]}
    if given.second:
        cases, controls, parts = second()
    read = given.report or given.out
    rows = [json.loads(line) for line in read.open()] if read and read.exists() else []
    if given.report:
        report(rows, parts)
        return
    chosen = set(filter(None, given.only.split(",")))
    items = [i for i in [*cases, *controls] if not chosen or i.id in chosen or i.id[0] in chosen]
    if given.manifest:
        each([i for i in items if isinstance(i, Case)], lambda case: manifest(case, given.seeds))
        return
    if given.harm:
        each(items, harm)
        return
    done = {(row["id"], row["seed"], row["probe"]) for row in rows}
    for item in items:
        for seed in range(given.seeds):
            if (item.id, seed, given.probe) in done:
                continue
            for found in diagnosed(item, seed, given.probe):
                if (item.id, seed, found["probe"]) in done:
                    continue
                rows.append(found)
                tell(found)
                if given.out:
                    with open(given.out, "a") as file:
                        file.write(json.dumps(found) + "\n")
    report(rows, parts)


def tell(row: Row) -> None:
    """Print a row."""
    mark = "" if "accept" not in row else "ok" if hit(row, 1) else "--"
    mode = "probe" if row["probe"] else "passive"
    odd = [*(row["lost"] or []), *row["stumbled"]]
    print(row["id"], row["seed"], mode, mark, row["alarms"], "notes", row["notes"],
          "wants", row["wants"], "tried", row["trials"], row["place"],
          f"{row['processor_seconds']} s", *odd, flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
