import math

import pytest
import torch

from gradatim.core.recipe import TrainingRecipe
from gradatim.training import SCHEDULES, schedules

STEPS = 60


def ours(name, warmup, every=1 / 3, factor=0.1):
    recipe = TrainingRecipe(schedule=name, warmup=warmup, step_every=every, step_factor=factor)
    schedule = schedules.build(recipe)
    return [schedule(step / STEPS) for step in range(STEPS)]


def theirs(make):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimiser)
    rates = []
    for _ in range(STEPS):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def test_constant_is_torch_constant():
    expected = theirs(lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0))
    assert ours("constant", 0.0) == pytest.approx(expected)


def test_step_is_torch_step():
    expected = theirs(lambda o: torch.optim.lr_scheduler.StepLR(o, STEPS // 3, gamma=0.1))
    assert ours("step", 0.0) == pytest.approx(expected)


def test_cosine_is_torch_cosine():
    expected = theirs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS))
    assert ours("cosine", 0.0) == pytest.approx(expected)


def test_warmup_then_cosine_is_torch_sequence():
    rise = 12

    def make(optimiser):
        return torch.optim.lr_scheduler.SequentialLR(
            optimiser,
            [
                torch.optim.lr_scheduler.LinearLR(optimiser, 1e-12, 1.0, rise),
                torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS - rise),
            ],
            [rise],
        )

    assert ours("cosine", rise / STEPS) == pytest.approx(theirs(make), abs=1e-9)


def test_one_cycle_is_torch_one_cycle():
    # torch reaches its end with the last of `total_steps` rates, ours with progress 1
    def make(optimiser):
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser, 1.0, total_steps=STEPS + 1, pct_start=19 / (STEPS + 1),
            cycle_momentum=False,
        )  # fmt: skip

    # pct_start * total_steps - 1 is the step with the largest rate
    assert ours("one-cycle", 18 / STEPS) == pytest.approx(theirs(make), abs=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.3])
def test_factors_stay_between_0_and_1_and_warmup_rises(name, warmup):
    factors = ours(name, warmup)
    assert all(0 <= factor <= 1 for factor in factors)
    rising = factors[: int(warmup * STEPS)]
    assert rising == sorted(rising)


def test_schedules_end_at_their_end():
    ends = {}
    for name in SCHEDULES:
        recipe = TrainingRecipe(schedule=name, warmup=0.1, step_every=0.25, step_factor=0.5)
        ends[name] = schedules.build(recipe)(1.0)
    assert ends["constant"] == 1
    assert ends["step"] == pytest.approx(0.5**4)
    assert ends["cosine"] == pytest.approx(0, abs=1e-12)
    assert ends["one-cycle"] == pytest.approx(1 / 25 / 10_000)
    assert all(math.isfinite(end) for end in ends.values())
