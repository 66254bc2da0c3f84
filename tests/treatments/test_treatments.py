"""Treatments: each makes its patient better, and changes one thing of a healthy run."""

import json
import math
import os
import re
import subprocess
import sys

import pytest

from gradatim.core.registry import resolve
from gradatim.treatments import TREATMENTS

# A regression y = x . (1, -1, 0.5, 0.5) by two layers; each patient changes a line of it.
PROGRAM = """
import random
import numpy as np
import torch
from torch import nn
torch.manual_seed(0)
draws = torch.Generator().manual_seed(1)
x = torch.randn(256, 4, generator=draws)
y = (x / x.std(0) @ torch.tensor([1.0, -1.0, 0.5, 0.5])).tanh().unsqueeze(1)
model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.0), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)
for step in range(160):
    i = torch.randint(0, 256, (32,), generator=draws)
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x[i]), y[i])
    loss.backward()
    optimizer.step()
    scheduler.step()
model.eval()
print("loss", nn.functional.mse_loss(model(x), y).item(), "seen", loss.item(),
      "rate", optimizer.param_groups[0]["lr"])
"""

PATIENTS = {
    "learning-rate-tenth": ("lr=0.05", "lr=3.0"),
    "learning-rate-tenfold": ("lr=0.05", "lr=0.0005"),
    "inputs-standardised": ("x = torch.randn(256, 4, generator=draws)",
                            "x = torch.randn(256, 4, generator=draws) * torch.tensor([1, 20, 1, 1])"),
    "usual-optimiser-settings": ("lr=0.05", "lr=0.05, momentum=0.999"),
    "no-weight-decay": ("lr=0.05", "lr=0.05, weight_decay=5.0"),
    "no-dropout": ("nn.Dropout(0.0)", "nn.Dropout(0.9)"),
    "nothing-frozen": ("optimizer =", "for p in model.parameters(): p.requires_grad_(p.dim() == 3)\n"
                       "model[3].bias.requires_grad_(True)\noptimizer ="),
    "clipping": ("loss.backward()", "(loss * (1e4 if step % 40 == 39 else 1)).backward()"),
    "larger-batch": ("(32,)", "(1,)"),
}  # fmt: skip


RUNNER = """
import importlib, json, os, sys
import torch
torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1).zero_grad()  # imports what it needs
for treatment, source in json.load(sys.stdin):
    if os.fork() == 0:
        if treatment:
            module, _, name = treatment.partition(":")
            getattr(importlib.import_module(module), name)()
        exec(compile(source, "program", "exec"), {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    if os.wait()[1]:
        sys.exit("a program failed")
"""


def sick(treatment):
    old, new = PATIENTS[treatment]
    assert PROGRAM.count(old) == 1
    source = PROGRAM.replace(old, new)
    return (
        source.replace("lr=0.05", "lr=0.1").replace("(160)", "(400)")
        if treatment == "larger-batch"
        else source
    )


ONE = PROGRAM.replace("lr=0.05", "lr=0.2").replace("(32,)", "(4,)")
JOBS = {("", "healthy"): PROGRAM, ("one-batch", "few"): ONE}
JOBS |= {(name, "healthy"): PROGRAM for name in TREATMENTS}
JOBS |= {(name, "sick"): sick(name) for name in PATIENTS}
JOBS |= {("", f"sick of {name}"): sick(name) for name in PATIENTS}


@pytest.fixture(scope="module")
def results():
    """Run every program, each in a fork of an interpreter that has PyTorch but has not used it."""
    if not hasattr(os, "fork"):
        pytest.skip("runs programs in forks")
    jobs = [(TREATMENTS.get(name, ""), source) for (name, _), source in JOBS.items()]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER],
        input=json.dumps(jobs), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    figures = [dict(re.findall(r"(loss|seen|rate) (\S+)", line)) for line in lines]
    assert len(figures) == len(JOBS)
    return {
        job: {name: float(value) for name, value in found.items()}
        for job, found in zip(JOBS, figures, strict=True)
    }


@pytest.mark.parametrize("treatment", PATIENTS)
def test_a_treatment_makes_its_patient_better(treatment, results):
    before, treated = results["", f"sick of {treatment}"], results[treatment, "sick"]
    assert not before["loss"] < 2 * treated["loss"]  # or not a number
    assert treated["loss"] < 0.25  # the variance of y is 0.45
    assert treated["rate"] == before["rate"]  # the script's own settings are kept


@pytest.mark.parametrize(
    "treatment",
    [
        "usual-optimiser-settings", "no-weight-decay", "no-dropout", "nothing-frozen",
        "cross-entropy",
    ],
)  # fmt: skip
def test_a_treatment_without_a_patient_changes_no_bit(treatment, results):
    assert results[treatment, "healthy"] == results["", "healthy"]


@pytest.mark.parametrize("treatment", ["clipping", "inputs-standardised", "another-seed"])
def test_a_healthy_run_stays_healthy(treatment, results):
    healthy, treated = results["", "healthy"]["loss"], results[treatment, "healthy"]["loss"]
    assert healthy < 0.1
    assert treated < 0.1
    assert treated != healthy


def test_one_batch_is_learned_by_heart_and_the_rest_is_not(results):
    assert results["one-batch", "few"]["seen"] < 0.01 < 0.05 < results["one-batch", "few"]["loss"]


def test_shuffled_labels_cannot_be_learned(results):
    assert results["labels-shuffled", "healthy"]["seen"] > 0.3


@pytest.mark.parametrize("probable", [False, True])
def test_errors_of_classes_become_the_cross_entropy_of_what_was_given(probable):
    torch = pytest.importorskip("torch")
    from gradatim.treatments.cross_entropy import instead

    scores = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])
    target = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    chosen = [math.exp(2.0) / sum(map(math.exp, (2, 0, -1))),
              math.exp(0.5) / sum(map(math.exp, (0.5, 0.5, 3)))]  # fmt: skip
    found = instead(scores.softmax(1) if probable else scores, target)
    assert float(found) == pytest.approx(-sum(map(math.log, chosen)) / 2, rel=1e-5)
    for other in (target[:, :1], target * 2, torch.ones(2, 3), target[0]):
        assert instead(scores[:, :1] if other.shape[-1] == 1 else scores, other) is None


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_every_row_resolves_and_says_what_it_does(treatment):
    assert resolve(TREATMENTS, treatment, "treatment").__doc__
