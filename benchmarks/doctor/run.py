"""The doctor's benchmark: faulty programs, healthy controls, recall, false alarms, places.

    python benchmarks/doctor/run.py [--only F01,F08,H10] [--seeds 1] [--probe] [--out FILE]

One line a run goes to the output file (JSON), so that a long benchmark can be taken up again;
``--report FILE`` prints the figures of such a file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "faults"))

from cases import CASES, Case  # noqa: E402
from controls import CONTROLS, Control  # noqa: E402
from harness import localised, stumbled, watched, write  # noqa: E402

from gradatim.treatments import TREATMENTS  # noqa: E402


def wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion."""
    if n == 0:
        return 0.0, 1.0
    p, zz = k / n, z * z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def one(item: Case | Control, seed: int, probe: bool) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        script = write(item.source(), Path(folder))
        began = time.time()
        result = watched(script, seed, Path(folder), TREATMENTS if probe else None)
        primary = result.verdict.primary
        row: dict[str, object] = {
            "id": item.id, "seed": seed, "probe": probe, "exit": result.exit,
            "alarms": result.alarms, "notes": result.notes, "wants": sorted(result.verdict.wants),
            "trials": sorted(result.trials), "stumbled": stumbled(result.verdict), "seconds": round(time.time() - began, 1),
            "overhead": result.verdict.overhead, "lost": result.record.events[-1].get("lost"),
            "place": primary and [primary.where.module, primary.where.parameter, primary.where.line],
        }  # fmt: skip
        if isinstance(item, Case):
            row["accept"] = list(item.accept)
            row["localised"] = localised(result, item.where, script)
        return row


def half(item: Case | Control) -> str:
    """Return the half of a program: split by architecture x data, that is by twin."""
    twins = sorted({case.twin for case in CASES} | {control.twin for control in CONTROLS})
    return "development" if twins.index(item.twin) % 2 == 0 else "confirmation"


def proportion(name: str, flags: list[bool]) -> str:
    low, high = wilson(sum(flags), len(flags))
    return f"{name}: {sum(flags)}/{len(flags)} ({100 * low:.0f}-{100 * high:.0f} %)"


def report(rows: list[dict[str, object]]) -> None:
    items = {item.id: item for item in [*CASES, *CONTROLS]}
    for part in ("all", "development", "confirmation"):
        chosen = [r for r in rows if part == "all" or half(items[str(r["id"])]) == part]
        faults = [r for r in chosen if "accept" in r]
        controls = [r for r in chosen if "accept" not in r]
        print(f"-- {part}")
        if faults:
            print("  " + proportion("detected (any alarm)", [bool(r["alarms"]) for r in faults]))
            print(
                "  "
                + proportion(
                    "top-1", [bool(set(r["alarms"][:1]) & set(r["accept"])) for r in faults]
                )
            )  # type: ignore[index,call-overload]
            print(
                "  "
                + proportion(
                    "top-3", [bool(set(r["alarms"][:3]) & set(r["accept"])) for r in faults]
                )
            )  # type: ignore[index,call-overload]
            print(
                "  "
                + proportion(
                    "localised, of those with a place",
                    [bool(r["localised"]) for r in faults if r["localised"] is not None],
                )
            )
        if controls:
            print("  " + proportion("false alarms per run", [bool(r["alarms"]) for r in controls]))
            names = sorted({str(r["id"]) for r in controls})
            loud = {str(r["id"]) for r in controls if r["alarms"]}
            print("  " + proportion("false alarms per program", [name in loud for name in names]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--report", type=Path, default=None)
    given = parser.parse_args()
    if given.report:
        report([json.loads(line) for line in given.report.read_text().splitlines()])
        return
    chosen = set(filter(None, given.only.split(",")))
    items = [i for i in [*CASES, *CONTROLS] if not chosen or i.id in chosen or i.id[0] in chosen]
    rows = []
    for item in items:
        for seed in range(given.seeds):
            row = one(item, seed, given.probe)
            rows.append(row)
            good = (
                ""
                if "accept" not in row
                else ("ok " if set(row["alarms"][:1]) & set(item.accept) else "-- ")
            )
            print(
                f"{item.id} {good}{row['alarms']} notes {row['notes']} wants {row['wants']} {row['seconds']} s {row['lost'] or ''}{row['stumbled'] or ''}",
                flush=True,
            )
            if given.out:
                with open(given.out, "a") as file:
                    file.write(json.dumps(row) + "\n")
    report(rows)


if __name__ == "__main__":
    main()
