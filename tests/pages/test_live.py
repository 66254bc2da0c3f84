"""What the user sees while something runs."""

import io

import pytest
from rich.console import Console

from gradatim.core.page import Table
from gradatim.core.talk import Talk
from gradatim.pages.live import LINE_EVERY, REDRAWN, Task, Terminal


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def plain(**options):
    stream = io.StringIO()
    return Terminal(stream, **options), stream


def drawing(width=100):
    stream = io.StringIO()
    return Terminal(console=Console(file=stream, force_terminal=True, width=width)), stream


def takes_talk(talk: Talk) -> Talk:
    return talk


def test_lines_at_start_and_end_and_seldom_between():
    clock = Clock()
    talk, stream = plain(clock=clock)
    with takes_talk(talk).track("training lenet", 1200, "step") as bar:
        for step in range(1, 1201):
            clock.now += 0.05
            bar.update(step, loss=f"{1 / step:.2f}", accuracy="0.98")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "training lenet: 1,200 steps"
    assert lines[-1].startswith("training lenet: done, 1,200 steps, loss 0.00, accuracy 0.98")
    assert lines[-1].endswith("1 min 00 s")
    assert 60 / LINE_EVERY <= len(lines) - 1 <= 60 / LINE_EVERY + 1
    assert "steps/s" in lines[1] and " left" in lines[1]


def test_rate_and_time_left_are_counted_from_the_first_update():
    clock = Clock()
    task = Task("t", 100, "step", clock)
    assert task.rate is None and task.left is None
    clock.now += 50  # preparation
    task.update(10)
    clock.now += 4
    task.update(30)
    assert task.rate == pytest.approx(5.0)
    assert task.left == pytest.approx(14.0)
    assert task.elapsed == pytest.approx(54.0)


def test_facts_with_a_rate_take_the_place_of_the_own():
    clock = Clock()
    task = Task("t", 100, "step", clock)
    task.update(1)
    clock.now += 1
    task.update(2, **{"loss": "0.5", "samples/s": "3,200"})
    assert task.parts()[:2] == ["loss 0.5", "3,200 samples/s"]
    assert not any("steps/s" in part for part in task.parts())


@pytest.mark.parametrize(
    ("unit", "count", "text"),
    [
        ("step", 1, "1 step"),
        ("images", 1797, "1,797 images"),
        ("B", 170_498_071, "170.5 MB"),
        ("", 4, "4"),
    ],
)
def test_amounts(unit, count, text):
    assert Task("t", 0, unit).amount(count) == text


def test_say_and_warn_write_text_as_it_is():
    talk, stream = plain()
    talk.say("run folder " + "long/" * 40)
    talk.warn("odd [red]\x1b[31m\udcff")
    first, second = stream.getvalue().splitlines()
    assert first == "run folder " + "long/" * 40
    assert second == "warning: odd [red]\\x1b[31m\\xff"


def test_an_interruption_is_told_and_passed_on():
    talk, stream = plain()
    with pytest.raises(KeyboardInterrupt), talk.track("training", 10) as bar:
        bar.update(3)
        raise KeyboardInterrupt
    assert "training: stopped, 3 of 10" in stream.getvalue()


def test_a_board_without_a_terminal_tells_new_rows_once():
    talk, stream = plain()
    talk.board(Table(["rung", "accuracy"], [["knn", "97.1 %"]]))
    talk.board(Table(["rung", "accuracy"], [["knn", "97.1 %"], ["mlp", "98.0 %"]]))
    assert stream.getvalue().splitlines() == ["knn, accuracy 97.1 %", "mlp, accuracy 98.0 %"]


def test_bars_stand_below_one_another_with_the_board_above():
    talk, stream = drawing()
    talk.board(Table(["rung", "accuracy"], [["knn", "97.1 %"]]))
    with talk.track("ladder", 4) as outer:
        outer.update(1)
        with talk.track("training mlp", 200, "step") as inner:
            inner.update(50, loss="0.50")
            shown = talk.console
            drawn = io.StringIO()
            Console(file=drawn, width=100, color_system=None).print(talk._drawn())
            assert shown is talk.console
    lines = [line.rstrip() for line in drawn.getvalue().splitlines()]
    order = [
        next(i for i, line in enumerate(lines) if word in line)
        for word in ("knn", "ladder", "training mlp")
    ]
    assert order == sorted(order)
    assert " 25 %" in lines[order[2]] and "loss 0.50" in lines[order[2]]
    assert all(len(line) <= 100 for line in lines)
    text = stream.getvalue()
    assert "training mlp: done" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back


def test_nothing_is_left_drawing_when_no_bar_is_open():
    talk, _ = drawing()
    with talk.track("one", 1):
        assert talk._live is not None
    assert talk._live is None
    with talk, talk.track("two", 1):
        pass
    talk.close()
    assert talk._live is None


def test_bars_fit_narrow_terminals():
    talk, _ = drawing(width=60)
    with talk.track("training " + "long " * 10, 200, "step") as bar:
        bar.update(50, loss="0.50", accuracy="0.98")
        drawn = io.StringIO()
        Console(file=drawn, width=60, color_system=None).print(talk._drawn())
    assert all(len(line) <= 60 for line in drawn.getvalue().splitlines())


def test_updates_cost_little():
    import time

    talk, _ = drawing()
    with talk.track("training", 10**9, "step") as bar:
        began = time.perf_counter()
        for step in range(20_000):
            bar.update(step, loss="0.5")
        each = (time.perf_counter() - began) / 20_000
    assert each < 50e-6  # a step of the smallest net takes some 300 µs
    assert REDRAWN <= 10
