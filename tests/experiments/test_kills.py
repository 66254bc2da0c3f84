"""A run that is killed goes on to the same bits; benchmarks/kills.py does it at fifty instants.

A network that reads a text carries its state from step to step, so that the checkpoint has to hold
it. One that starts from weights copies them anew and trains its output layer first. Crops are taken
from a store of larger photos.
"""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.datasets import load_digits
from tests.data.hostile import picture

import gradatim
from gradatim.core.recipe import Recipe

COMMAND = [sys.executable, "-c", "from gradatim.cli import main; main()"]
RUNS = {
    "pictures": ["digits", "--model", "lenet", "--epochs", "8"],
    "text": ["poem.txt", "--model", "lstm", "--epochs", "6", "--set", "model.hidden=24",
             "--set", "data.length=16", "--set", "data.batch_size=4"],
    "weights": ["digits", "--from", "old", "--epochs", "4", "--set", "start.method=fine-tuning",
                "--set", "start.head=rows", "--set", "start.head_share=0.3"],
    "crops": ["photos", "--model", "lenet", "--epochs", "24", "--set", "data.size=32",
              "--set", "data.crop=resized"],
}  # fmt: skip
OFTEN = ["--set", "training.checkpoint_seconds=0.05"]
POEM = "The cat sat on the mat, and the rat ran to the hat of the man. " * 120


def go(folder, *arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


@pytest.fixture(params=RUNS)
def settings(request, tmp_path):
    (tmp_path / "poem.txt").write_text(POEM)
    if request.param == "weights":  # of a network that knows zero to five
        data = load_digits()
        low = data.target < 6
        pixels, names = (16 * data.images[low]).clip(0, 255), data.target[low].astype(str)
        np.savez(tmp_path / "low.npz", x=pixels.astype(np.uint8), y=names)
        gradatim.fit(tmp_path / "low.npz", model="lenet", epochs=1, out=tmp_path / "old")
    if request.param == "crops":
        for number in range(160):
            file = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture(70, 60, seed=number).save(file)
    return ["fit", *RUNS[request.param], *OFTEN]


@pytest.fixture
def whole(settings, tmp_path):
    process = go(tmp_path, *settings, "--out", "whole")
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return tmp_path / "whole"


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


def test_a_run_killed_three_times_ends_at_the_same_bits(settings, whole, tmp_path):
    out = tmp_path / "run"
    total = len(steps(whole))
    killed = 0
    process = go(tmp_path, *settings, "--out", out)
    for share in (0.02, 0.3, 0.7):
        wait_for(process, out, int(share * total))
        killed += process.poll() is None
        process.kill()
        process.communicate()
        assert (out / "recipe.toml").exists()
        process = go(tmp_path, "resume", out)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert killed, "every process had ended before it was killed"
    assert steps(out) == list(range(1, total + 1))
    one, other = (load_file(folder / "model" / "weights.safetensors") for folder in (out, whole))
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    if "photos" in settings:
        assert Recipe.read(out / "recipe.toml").data.crop_from == 55
