"""Is a program the same to the bit when it is watched?

    python benchmarks/doctor/harm.py [--only H,F01] [--warm] [--out FILE]

Every program of the benchmark runs twice in the same folder of its own, plainly and watched. What is
compared: standard output, exit code, all parameters and buffers of the modules that are alive at
exit and all other tensors to be trained, the state of PyTorch's random number generator and how far
NumPy's and Python's have come (they begin anywhere), and the files written. The digest is taken by
an exit handler that Python starts in both runs; neither the program nor the watcher knows of it.

With ``--warm`` both runs are forked from one process that has imported PyTorch, which spares most of
the processor time; then the random numbers of NumPy and Python begin alike too. The plain run is
Python's ``exec`` there, the watched one ``gradatim.probes.child.run``.
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from types import ModuleType
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
    values = []
    for item in gc.get_objects():
        if isinstance(item, torch.nn.Module):
            values += (*item._parameters.values(), *item._buffers.values())
        elif isinstance(item, torch.Tensor) and item.requires_grad and item.is_leaf:
            values.append(item)  # a parameter that belongs to no module
    tensors = set()
    for value in values:
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


def started(script: Path, record: Path | None, digest: Path) -> tuple[str, int]:
    """Run a program in an interpreter of its own; return its standard output and exit code."""
    places = [str(digest.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    watcher = ["-m", "gradatim.probes.child", str(record)] if record else []
    done = subprocess.run(
        [sys.executable, *watcher, str(script), "0"],
        capture_output=True, cwd=script.parent, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "DIGEST": str(digest)},
    )  # fmt: skip
    return done.stdout.decode(), done.returncode


def forked(script: Path, record: Path | None, digest: Path) -> tuple[str, int]:
    """Run a program in a fork of this process; return its standard output and exit code."""
    out = digest.with_suffix(".out")
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.chdir(script.parent)
            for stream, place in ((1, out), (2, digest.with_suffix(".err"))):
                os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT), stream)
            os.environ["DIGEST"] = str(digest)
            exec(AT_EXIT, {"__name__": "sitecustomize"})
            sys.argv, sys.path[0] = [str(script), "0"], str(script.parent)
            code = here(script, record)
            threading._shutdown()
            atexit._run_exitfuncs()
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return out.read_text(), code


def here(script: Path, record: Path | None) -> int:
    """Run a program in this process and return its exit code."""
    if record is not None:
        from gradatim.probes.child import run as watched

        return watched(record, str(script), ["0"], [])
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__file__ = str(script)
    try:
        exec(compile(script.read_bytes(), str(script), "exec"), vars(module))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def run(script: Path, record: Path | None, digest: Path, warm: bool) -> dict[str, Any]:
    """Run a program, watched when there is a record, and return all that can be compared."""
    folder = script.parent
    known = {path for path in folder.rglob("*") if path.is_file()}
    output, code = (forked if warm else started)(script, record, digest)
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in known and "__pycache__" not in path.parts:
            files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            path.unlink()
    found = json.loads(digest.read_text()) if digest.exists() else {}
    return {"output": output, "exit": code, "files": files, **found}


def compare(source: str, warm: bool = False) -> dict[str, Any]:
    """Run a program both ways and return what differs, and how many tensors were compared."""
    folder = Path(tempfile.mkdtemp())  # no object that a forked process would clear away
    try:
        (folder / "sitecustomize.py").write_text(AT_EXIT)
        script = write(source, folder / "program")
        plain = run(script, None, folder / "plain.json", warm)
        watched = run(script, folder / "record.jsonl", folder / "watched.json", warm)
        steps = json.loads((folder / "record.jsonl").read_text().splitlines()[-1]).get("step", 0)
    finally:
        shutil.rmtree(folder)
    differs = sorted(key for key in {*plain, *watched} if plain.get(key) != watched.get(key))
    tensors = len(plain.get("tensors", ()))
    return {"differs": differs, "tensors": tensors, "exit": plain["exit"], "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="ids, or F or H, with commas between")
    parser.add_argument("--warm", action="store_true", help="fork from one warm interpreter")
    parser.add_argument("--out", type=Path, help="one line a program, so that it can be taken up")
    given = parser.parse_args()
    chosen = set(filter(None, given.only.split(",")))
    rows = []
    if given.out and given.out.exists():
        rows = [json.loads(line) for line in given.out.read_text().splitlines()]
    done = {row["id"] for row in rows}
    if given.warm:
        import sklearn.datasets  # noqa: F401
        import torch  # noqa: F401

        import gradatim.probes.child  # noqa: F401
    for item in [*CONTROLS, *CASES]:
        if item.id in done or (chosen and item.id not in chosen and item.id[0] not in chosen):
            continue
        row = {"id": item.id, "warm": given.warm, **compare(item.source(), given.warm)}
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
