"""Is a program the same to the bit when it is watched?

    python benchmarks/doctor/harm.py [--only H,F01] [--out FILE]

Every program of the benchmark runs twice in the same folder of its own, plainly and watched. What is
compared: standard output, exit code, all parameters and buffers of the modules that are alive at
exit, the state of PyTorch's random number generator and how far NumPy's and Python's have come (they
begin anywhere), and the files written. The digest is taken by an exit handler that Python starts in both runs; neither the program
nor the watcher knows of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from run import CASES, CONTROLS, wilson, write

AT_EXIT = """
import atexit, os, sys

def digest():
    import gc, hashlib, json
    torch = sys.modules.get("torch")
    if torch is None or "DIGEST" not in os.environ:
        return
    path = os.environ.pop("DIGEST")
    tensors = set()
    for module in gc.get_objects():
        if isinstance(module, torch.nn.Module):
            for value in (*module._parameters.values(), *module._buffers.values()):
                if value is not None:
                    raw = value.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
                    tensors.add(hashlib.sha256(raw).hexdigest())
    states = [hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()]
    states.append(sys.modules["random"].getstate()[1][-1])  # how far it has come
    if "numpy" in sys.modules:
        states.append(sys.modules["numpy"].random.get_state()[2])
    with open(path, "w") as file:
        json.dump({"tensors": sorted(tensors), "random": states}, file)

atexit.register(digest)
"""


def run(command: list[str], folder: Path, digest: Path) -> dict[str, Any]:
    """Run a program and return all that can be compared."""
    known = {path for path in folder.rglob("*") if path.is_file()}
    places = [str(folder.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        command, capture_output=True, cwd=folder, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "DIGEST": str(digest)},
    )  # fmt: skip
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in known and "__pycache__" not in path.parts:
            files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            path.unlink()
    found = json.loads(digest.read_text()) if digest.exists() else {}
    return {"output": done.stdout.decode(), "exit": done.returncode, "files": files, **found}


def compare(source: str) -> dict[str, Any]:
    """Run a program both ways and return what differs, and how many tensors were compared."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(AT_EXIT)
        script = str(write(source, folder / "program"))
        plain = run([sys.executable, script, "0"], folder / "program", folder / "plain.json")
        watcher = [sys.executable, "-m", "gradatim.probes.child", str(folder / "record.jsonl")]
        watched = run([*watcher, script, "0"], folder / "program", folder / "watched.json")
    differs = sorted(key for key in {*plain, *watched} if plain.get(key) != watched.get(key))
    return {"differs": differs, "tensors": len(plain.get("tensors", ())), "exit": plain["exit"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="ids, or F or H, with commas between")
    parser.add_argument("--out", type=Path, help="one line a program, so that it can be taken up")
    given = parser.parse_args()
    chosen = set(filter(None, given.only.split(",")))
    rows = []
    if given.out and given.out.exists():
        rows = [json.loads(line) for line in given.out.read_text().splitlines()]
    done = {row["id"] for row in rows}
    for item in [*CONTROLS, *CASES]:
        if item.id in done or (chosen and item.id not in chosen and item.id[0] not in chosen):
            continue
        row = {"id": item.id, **compare(item.source())}
        rows.append(row)
        print(row, flush=True)
        if given.out:
            with open(given.out, "a") as file:
                file.write(json.dumps(row) + "\n")
    same = sum(not row["differs"] and row["tensors"] > 0 for row in rows)
    low, high = wilson(same, len(rows))
    print(f"the same to the bit: {same} of {len(rows)} ({100 * low:.1f} to {100 * high:.1f} %)")


if __name__ == "__main__":
    main()
