"""Budgets, with a clock that the batches move."""

import math

import pytest
import torch

from gradatim.core.recipe import Recipe
from gradatim.core.record import Record
from gradatim.errors import CheckpointError, UsageError
from gradatim.training import train


class Slow:
    """Batches whose use takes time on a fake clock."""

    def __init__(self, batches, clock, seconds):
        self.all, self.clock, self.seconds = batches, clock, seconds
        self.samples = 200

    def __len__(self):
        return len(self.all)

    def epoch(self, number, start=0):
        for batch in self.all[start:]:
            self.clock.time += self.seconds(self.clock.time - 1000)
            yield batch

    def __iter__(self):
        return self.epoch(0)


DRIFTS = {
    "steady": lambda t: 1.0,
    "slower": lambda t: 0.7 + 0.6 * t / 60,
    "faster": lambda t: 1.3 - 0.6 * t / 60,
    "waves": lambda t: 1 + 0.3 * math.sin(t / 9),
    "jump up": lambda t: 1.0 if t < 40 else 1.3,
    "jump down": lambda t: 1.3 if t < 40 else 0.7,
    "slow start": lambda t: 10.0 if t < 1 else 1.0,
    "fast start": lambda t: 0.2 if t < 1 else 1.0,
}


def budget_run(net, batches_of, fake_clock, drift, *, evaluation=0.3, step=0.15, **more):
    training = Slow(batches_of(), fake_clock, lambda t: step * drift(t))
    validation = Slow(batches_of(60, 30, 1), fake_clock, lambda t: evaluation / 2 * drift(t))
    model = net()
    trained = train(model, training, validation=validation, device="cpu", **more)
    return model, trained


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("evaluation", [0.02, 0.3])
def test_a_budget_is_used_and_kept(net, batches_of, fake_clock, drift, evaluation):
    _, trained = budget_run(
        net, batches_of, fake_clock, DRIFTS[drift], evaluation=evaluation, budget=60
    )
    taken = fake_clock.time - 1000
    assert 0.9 * 60 < taken < 1.0 * 60
    assert trained.reason == "finished"


@pytest.mark.parametrize("drift", DRIFTS)
def test_time_is_left_for_what_is_measured_afterwards(net, batches_of, fake_clock, drift):
    budget_run(
        net, batches_of, fake_clock, DRIFTS[drift], evaluation=1, budget=60, evaluations_after=6
    )
    taken = fake_clock.time - 1000
    afterwards = 6 * DRIFTS[drift](taken)
    assert 0.85 * 60 < taken + afterwards < 1.02 * 60


def test_the_rate_ends_at_its_end(net, batches_of, fake_clock, folder):
    _, trained = budget_run(net, batches_of, fake_clock, DRIFTS["waves"], budget=60, folder=folder)
    record = Record.read(folder)
    steps = record.of("step")
    assert [event["step"] for event in steps] == list(range(1, trained.step + 1))
    assert len(record.of("plan")) > 1
    assert record.last("plan")["points"][-1] == [trained.step, 1.0]
    peak = max(event["learning_rate"] for event in steps)
    assert steps[-1]["learning_rate"] < 1e-4 * peak


def test_a_run_with_the_final_plan_takes_the_same_bits(net, batches_of, fake_clock, same_weights):
    first, trained = budget_run(net, batches_of, fake_clock, DRIFTS["waves"], budget=30)
    assert len(trained.recipe.training.plan) > 2
    recipe = Recipe.from_toml(trained.recipe.to_toml())
    second, again = budget_run(
        net, batches_of, fake_clock, DRIFTS["steady"], step=0.5, recipe=recipe
    )
    assert again.step == trained.step
    assert same_weights(first, second)


def test_epochs_beside_a_budget_are_the_most(net, batches_of, fake_clock):
    _, trained = budget_run(net, batches_of, fake_clock, DRIFTS["faster"], budget=60, epochs=3)
    assert (trained.epoch, trained.step) == (3, 30)
    assert fake_clock.time - 1000 < 10


def test_a_budget_that_is_too_small_still_takes_a_step(net, batches_of, fake_clock):
    _, trained = budget_run(net, batches_of, fake_clock, DRIFTS["steady"], step=5.0, budget=1)
    assert trained.step == 1 and trained.reason == "finished"


def test_timing_before_the_run_takes_a_small_share_even_where_steps_are_slow(
    net, batches_of, fake_clock
):
    """A step takes a tenth of the budget, an evaluation two; timing ends with the first."""
    _, trained = budget_run(
        net, batches_of, fake_clock, DRIFTS["steady"], step=4.0, evaluation=8.0, budget=40
    )
    # a first batch is looked at (4 s), a step (4 s) and half an evaluation (4 s) are timed; then
    # there are steps of 4 s and one evaluation of 8 s
    assert trained.step == 4
    assert fake_clock.time - 1000 == pytest.approx(4 + 4 + 4 + 4 * 4 + 8)


def test_a_machine_that_stands_still_does_not_pass_the_budget(net, batches_of, fake_clock):
    stall = lambda t: 35.0 if 30 < t < 31 else 1.0  # noqa: E731 - one step of 5 s
    budget_run(net, batches_of, fake_clock, stall, budget=40)
    assert 36 < fake_clock.time - 1000 < 40


def test_timing_leaves_model_random_numbers_and_order_untouched(net, data, same_weights):
    batches, validation = data
    planned, timed = net(), net()
    state = torch.get_rng_state()
    result = train(timed, batches, validation=validation, budget=1e6, epochs=3, device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert result.step == 3 * len(batches)
    train(planned, batches, validation=validation, epochs=3, device="cpu")
    assert same_weights(planned, timed)


class _Stop(Exception):
    pass


class StopAt:
    """A watch that breaks the process off at a step."""

    def __init__(self, step):
        self.at = step

    def begin(self, model, optimiser):
        pass

    def step(self, step, loss, outputs, targets):
        if step == self.at:
            raise _Stop

    def end(self):
        pass


def test_a_resumed_run_follows_the_plan_it_had(net, batches_of, fake_clock, folder, same_weights):
    """Broken off after amendments that no checkpoint holds, the run keeps to plan.json."""
    settings = {"budget": 60, "checkpoint_seconds": 13.0, "folder": folder}
    with pytest.raises(_Stop):
        budget_run(net, batches_of, fake_clock, DRIFTS["waves"], watch=StopAt(200), **settings)
    model, trained = budget_run(
        net, batches_of, fake_clock, DRIFTS["steady"], resume=True, **settings
    )
    record = Record.read(folder)
    assert [e["step"] for e in record.of("step")] == list(range(1, trained.step + 1))
    assert len(record.of("plan")) > 2
    whole, again = budget_run(
        net, batches_of, fake_clock, DRIFTS["steady"], step=0.01, recipe=trained.recipe
    )
    assert again.step == trained.step
    assert same_weights(model, whole)


def test_a_damaged_plan_is_told(net, batches_of, fake_clock, folder):
    (folder / "plan.json").write_text("[{")
    with pytest.raises(CheckpointError, match="plan of this run cannot be read"):
        budget_run(
            net, batches_of, fake_clock, DRIFTS["steady"], budget=5, folder=folder, resume=True
        )


def test_a_module_that_cannot_be_copied_is_told(net, batches_of, fake_clock):
    model = net()
    model.cached = model[0].weight * 2  # a tensor that is the result of a computation
    training = Slow(batches_of(), fake_clock, lambda t: 0.1)
    with pytest.raises(UsageError, match="cannot be copied") as refused:
        train(model, training, budget=5)
    assert "epochs instead of a budget" in str(refused.value)
