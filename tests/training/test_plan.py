import numpy as np
import pytest

from gradatim.errors import ValueRefusedError
from gradatim.training.plan import (
    Costs,
    Plan,
    plan_for_budget,
    plan_for_epochs,
    plan_for_steps,
    read_points,
)


def test_progress_is_the_interpolation_of_numpy():
    plan = Plan(((0, 0.0), (100, 0.25), (400, 1.0)))
    steps = np.linspace(0, 450, 77)
    expected = np.interp(steps, [0, 100, 400], [0, 0.25, 1])
    assert [plan.progress(step) for step in steps] == pytest.approx(expected)
    assert plan.total_steps == 400


def test_an_amended_plan_bends_at_its_step_and_ends_at_1():
    plan = plan_for_steps(1000).amend(250, 900).amend(500, 1200)
    assert plan.total_steps == 1200
    assert plan.progress(1200) == 1
    at_500 = 0.25 + 0.75 * 250 / 650
    assert plan.line == [(0, 0.0), (250, 0.25), (500, pytest.approx(at_500)), (1200, 1.0)]
    steps = np.arange(0.5, 1200)
    expected = np.interp(steps, [0, 250, 500, 1200], [0, 0.25, at_500, 1])
    assert [plan.progress(step) for step in steps] == pytest.approx(expected)


def test_steps_before_an_amendment_keep_their_progress_to_the_bit():
    generator = np.random.default_rng(0)
    for _ in range(30):
        total = int(generator.integers(50, 5000))
        plan = plan_for_steps(total)
        for _ in range(4):
            step = int(generator.integers(1, plan.total_steps - 1))
            lines = [a for a, b in plan.points if b < 1]
            if step < lines[-1]:
                continue
            end = step + int(generator.integers(1, 2 * total))
            amended = read_points([[*point] for point in plan.amend(step, end).points])
            before = [plan.progress(i - 0.5) for i in range(1, step + 1)]
            assert before == [amended.progress(i - 0.5) for i in range(1, step + 1)]
            plan = amended


def test_epochs_and_least_plans():
    assert plan_for_epochs(3, 40).points == ((0, 0.0), (120, 1.0))
    assert plan_for_steps(0).total_steps == 1


@pytest.mark.parametrize(
    "points",
    [
        [],
        [[0, 0.0]],
        [[0, 0.0], [10, 0.9]],
        [[5, 0.0], [10, 1.0]],
        [[0, 0.0], [10, 0.5], [5, 1.0]],
        [[0, 0.0], [10, 0.5], [20, 0.4], [30, 1.0]],
        [[0, 0.0], [10, 1.0], [5, 0.5]],
    ],
)
def test_points_that_are_no_plan_are_refused(points):
    with pytest.raises(ValueRefusedError, match="not a plan") as refused:
        read_points(points)
    assert "leave training.plan out" in str(refused.value)


def test_a_plan_cannot_end_before_it_is_amended():
    with pytest.raises(ValueError, match="cannot end at step 10"):
        plan_for_steps(100).amend(10, 10)


def test_the_budget_is_filled_and_not_passed():
    """Second witness: every end is tried, one by one."""
    for seconds in (0.5, 3.3, 17.0, 60.0):
        for per_epoch in (1, 7, 50):
            for done in (0, 13):
                costs = Costs(step=0.1, evaluation=0.37, end=0.2, more=0.5)

                def cost(end, done=done, per_epoch=per_epoch, costs=costs):
                    marks = {e for e in range(done + 1, end + 1) if e % per_epoch == 0} | {end}
                    return (end - done) * costs.step + (len(marks) + 0.5) * costs.evaluation + 0.2

                fitting = [e for e in range(done + 1, done + 700) if cost(e) <= seconds]
                expected = max(fitting, default=done + 1)
                found = plan_for_budget(seconds, costs, per_epoch, done=done)
                assert found == expected
                assert plan_for_budget(seconds, costs, per_epoch, done=done, most=done + 5) <= (
                    done + 5
                )
