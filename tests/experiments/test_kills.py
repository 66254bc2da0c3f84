"""A run that is killed goes on to the same bits; benchmarks/kills.py does it at fifty instants."""

import json
import subprocess
import sys
import time

import pytest
from safetensors.numpy import load_file

COMMAND = [sys.executable, "-c", "from gradatim.cli import main; main()"]
SETTINGS = ["fit", "digits", "--model", "lenet", "--epochs", "8",
            "--set", "training.checkpoint_seconds=0.05"]  # fmt: skip


def go(*arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    process = go(*SETTINGS, "--out", out)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out


def steps(folder):
    text = (folder / "record.jsonl").read_text()
    events = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [event["step"] for event in events if event["event"] == "step"]


def wait_for(process, folder, count):
    """Wait until so many steps are in the Record, or the process has ended."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if (folder / "record.jsonl").exists() and len(steps(folder)) >= count:
            return
        time.sleep(0.01)


def test_a_run_killed_three_times_ends_at_the_same_bits(whole, tmp_path):
    out = tmp_path / "run"
    total = len(steps(whole))
    process = go(*SETTINGS, "--out", out)
    for share in (0.02, 0.3, 0.7):
        wait_for(process, out, int(share * total))
        process.kill()
        process.communicate()
        assert (out / "recipe.toml").exists()
        process = go("resume", out)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert steps(out) == list(range(1, total + 1))
    one, other = (load_file(folder / "model" / "weights.safetensors") for folder in (out, whole))
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
