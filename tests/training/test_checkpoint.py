"""Checkpoints: whole after a crash at any instant; what is damaged is told."""

import builtins
import json
import os
import pathlib
import tempfile

import pytest
import torch
from torch import nn

from gradatim.core.record import Record
from gradatim.errors import CheckpointError, DiskError
from gradatim.training import train
from gradatim.training.checkpoint import Checkpoint, copy_into, model_tensors


def tensors(value):
    return {"model.a": torch.full((3, 4), float(value)), "model.b": torch.tensor(value)}


def test_what_is_written_is_read(folder):
    checkpoint = Checkpoint(folder)
    assert not checkpoint.exists
    shared = torch.arange(12.0).reshape(3, 4)
    kept = {
        "shared": shared,
        "again": shared,
        "view": shared[:, 1:],
        "channels": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "half": torch.randn(5).bfloat16(),
        "number": torch.tensor(7),
    }
    checkpoint.write({"step": 3, "loss": 0.1 + 0.2}, kept)
    assert checkpoint.exists
    counters, found = Checkpoint(folder).read()
    assert counters["step"] == 3 and counters["loss"] == 0.1 + 0.2
    assert all(torch.equal(found[name], value) for name, value in kept.items())


def test_only_the_latest_files_stay(folder):
    checkpoint = Checkpoint(folder)
    for step in range(4):
        checkpoint.write({"step": step}, tensors(step))
    left = sorted(path.suffix for path in checkpoint.folder.iterdir())
    assert left == [".json", ".safetensors"]


def test_the_file_that_counts_is_never_written_to(folder):
    """Not even by another process that knows nothing of the one before."""
    for step in range(3):
        Checkpoint(folder).write({"step": step}, tensors(step))
        before = {path: path.read_bytes() for path in (folder / "checkpoint").iterdir()}
        used = json.loads((folder / "checkpoint" / "checkpoint.json").read_text())
        used = folder / "checkpoint" / used["tensors"]["file"]
        assert Checkpoint(folder)._free_name() != used.name
        assert before[used] == used.read_bytes()


class Crash(BaseException):
    """The process is gone; nothing catches this."""


CALLS = [
    (os, "replace"), (os, "fsync"), (os, "open"), (os, "close"), (os, "fdopen"),
    (tempfile, "mkstemp"), (pathlib.Path, "unlink"), (pathlib.Path, "mkdir"),
    (pathlib.Path, "iterdir"), (builtins, "open"),
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_crash_at_any_system_call_leaves_a_whole_checkpoint(folder, monkeypatch, after):
    """Every call in turn is the last one; the next process reads the old or the new one."""
    kept = Checkpoint(folder)
    kept.write({"step": 0}, tensors(0))
    seen, step = set(), 0
    for number in range(1000):
        step += 1
        count = 0
        with monkeypatch.context() as patch:

            def crashing(real, number=number):
                def call(*args, **kwargs):
                    nonlocal count
                    count += 1
                    if count == number + 1 and not after:
                        raise Crash
                    result = real(*args, **kwargs)
                    if count == number + 1:
                        raise Crash
                    return result

                return call

            for owner, name in CALLS:
                patch.setattr(owner, name, crashing(getattr(owner, name)))
            # without Path.unlink on the way out, as when the process is killed
            try:
                kept.write({"step": step}, tensors(step))
                crashed = False
            except Crash:
                crashed = True
        kept = Checkpoint(folder)
        counters, found = kept.read()
        seen.add(counters["step"] == step)
        assert counters["step"] in (step - 1, step)
        assert found["model.a"].eq(counters["step"]).all()
        step = counters["step"]
        if not crashed:
            break
    else:
        pytest.fail("the checkpoint was never completed")
    assert number > 8
    assert seen == {True, False}
    kept.write({"step": step + 1}, tensors(step + 1))
    left = sorted(path.suffix for path in kept.folder.iterdir())
    assert left == [".json", ".safetensors"], "what crashes left behind is removed"


def test_a_killed_writer_leaves_rests_that_do_no_harm(folder):
    checkpoint = Checkpoint(folder)
    checkpoint.write({"step": 1}, tensors(1))
    (checkpoint.folder / ".checkpoint.json.abc.tmp").write_text('{"sch')
    (checkpoint.folder / "tensors-2.safetensors").write_bytes(b"half")
    again = Checkpoint(folder)
    assert again.read()[0]["step"] == 1
    again.write({"step": 2}, tensors(2))
    assert Checkpoint(folder).read()[0]["step"] == 2
    assert len(list(checkpoint.folder.iterdir())) == 2


def damage(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


@pytest.mark.parametrize("how", ["cut", "empty", "gone", "one bit"])
def test_damaged_tensors_are_told(folder, how):
    Checkpoint(folder).write({"step": 1}, tensors(1))
    damage(folder / "checkpoint" / "tensors-1.safetensors", how)
    with pytest.raises(CheckpointError, match="tensors of the checkpoint") as refused:
        Checkpoint(folder).read()
    assert "tensors-1.safetensors" in str(refused.value)
    assert "next: remove the folder `checkpoint`" in str(refused.value)


@pytest.mark.parametrize("how", ["cut", "empty"])
def test_damaged_counters_are_told(folder, how):
    Checkpoint(folder).write({"step": 1}, tensors(1))
    damage(folder / "checkpoint" / "checkpoint.json", how)
    with pytest.raises(CheckpointError, match="checkpoint cannot be read"):
        Checkpoint(folder).read()


def test_another_version_is_told(folder):
    Checkpoint(folder).write({"step": 1}, tensors(1))
    path = folder / "checkpoint" / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(CheckpointError, match="version of a checkpoint"):
        Checkpoint(folder).read()


def test_tensors_of_another_model_are_named():
    kept = {f"model.{name}": value for name, value in model_tensors(nn.Linear(3, 2)).items()}
    with pytest.raises(CheckpointError, match="does not fit this model") as refused:
        copy_into(model_tensors(nn.Linear(4, 2)), kept, "model.")
    assert "2 x 3 in the checkpoint, 2 x 4 in the model" in str(refused.value)
    with pytest.raises(CheckpointError, match="nothing in the model"):
        copy_into(model_tensors(nn.Linear(3, 2, bias=False)), kept, "model.")


def test_a_full_disk_is_told_and_loses_nothing(folder, monkeypatch, net, data, same_weights):
    """The disk is full at the third checkpoint; when there is room again the run goes on."""
    batches, validation = data
    settings = {
        "validation": validation, "epochs": 1, "folder": folder, "checkpoint_seconds": 0,
    }  # fmt: skip
    written = 0
    real = os.fsync

    def full(handle):
        nonlocal written
        written += 1
        if written > 12:
            raise OSError(28, "No space left on device")
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskError, match="disk is full") as refused:
            train(net(), batches, **settings)
    assert "free some space" in str(refused.value)
    resumed, whole = net(), net()
    train(resumed, batches, resume=True, **settings)
    train(whole, batches, validation=validation, epochs=1)
    assert same_weights(resumed, whole)
    assert [e["step"] for e in Record.read(folder).of("step")] == list(range(1, 11))


def test_a_record_cut_short_is_told(folder, net, data):
    batches, _ = data
    with pytest.raises(RuntimeError):
        train(net(), batches, epochs=4, folder=folder, checkpoint_seconds=0, watch=Broken(15))
    (folder / "record.jsonl").write_text("")
    with pytest.raises(CheckpointError, match="Record is shorter"):
        train(net(), batches, epochs=4, folder=folder, resume=True)


class Broken:
    def __init__(self, step):
        self.at = step

    def begin(self, model, optimiser):
        pass

    def step(self, step, loss, outputs, targets):
        if step == self.at:
            raise RuntimeError

    def end(self):
        pass
