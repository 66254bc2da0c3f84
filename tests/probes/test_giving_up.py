"""Scripts that check their loss themselves and end before ``backward`` is called on it."""

import subprocess
import sys

import pytest

from gradatim.core.record import Record
from gradatim.doctor import diagnose

SCRIPT = """
import math, sys
import torch
from torch import nn
torch.manual_seed(0)

def check(value, step):
    if not math.isfinite(value):
        {leave}

def train():
    x = torch.randn(256, 8)
    y = x[:, :1] * {scale}
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for step in range(40):
        i = torch.randint(0, 256, (32,))
        loss = nn.functional.mse_loss(net(x[i]), y[i])
        check(loss.item(), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    {end}

train()
"""


def watched(folder, **parts):
    script, record = folder / "train.py", folder / "record.jsonl"
    script.write_text(SCRIPT.format(**parts))
    child = [sys.executable, "-m", "gradatim.probes.child", str(record), str(script)]
    done = subprocess.run(child, capture_output=True, cwd=folder, check=False)
    return done.returncode, Record.read(record)


@pytest.mark.parametrize("leave", ["sys.exit(f'gave up in step {step}')", "raise ValueError(step)"])
def test_the_loss_that_a_script_gives_up_on_is_seen(tmp_path, leave):
    code, record = watched(tmp_path, leave=leave, scale="1e5", end="pass")
    assert code == 1
    trouble = record.last("trouble")
    assert trouble["final"] is True
    assert trouble["step"] == record.last("unwatched")["step"] + 1
    verdict = diagnose(record)
    assert verdict.primary.name in ("targets-unscaled", "learning-rate-too-high")
    assert "non-finite" in [item.name for item in verdict.findings]


def test_a_healthy_script_that_ends_with_an_error_has_no_trouble(tmp_path):
    code, record = watched(tmp_path, leave="pass", scale="1.0", end="raise KeyError(loss)")
    assert code == 1
    assert record.of("trouble") == []
    assert diagnose(record).verdict == "healthy"
