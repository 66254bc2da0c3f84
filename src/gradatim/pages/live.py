"""What the user sees while something runs: bars and a growing table, or plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from gradatim.charts.figures import seconds
from gradatim.core.page import Table
from gradatim.pages.cache import size
from gradatim.pages.cells import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

LINE_EVERY = 10.0
"""Least seconds between two lines about one task where no bar can be drawn."""
REDRAWN = 8
"""Times a second that bars are drawn again; updates in between cost a few assignments."""
BAR = 24
"""Width of a bar in characters."""


class Task:
    """One task under way: what is done, how fast, what is known about it."""

    def __init__(
        self, what: str, total: int, unit: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what = what
        self.total = total
        self.unit = unit
        self.done = 0
        self.facts: dict[str, str] = {}
        self._clock = clock
        self._began = clock()
        self._first: tuple[float, int] | None = None

    def update(self, done: int, **facts: str) -> None:
        """Say that ``done`` units of the total are done; facts are shown beside, in order."""
        self.done = done
        if facts:
            self.facts = facts
        if self._first is None:
            self._first = (self._clock(), done)

    @property
    def elapsed(self) -> float:
        """Seconds since the task began."""
        return self._clock() - self._began

    @property
    def rate(self) -> float | None:
        """Units a second, counted from the first update: what came before was preparation."""
        if self._first is None or self.done <= self._first[1]:
            return None
        span = self._clock() - self._first[0]
        return (self.done - self._first[1]) / span if span > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds that are left at this rate."""
        return None if self.rate is None else max(0, self.total - self.done) / self.rate

    def parts(self, *, over: bool = False) -> list[str]:
        """Return what is known, as short texts: facts, rate, time left or taken."""
        told = [
            f"{value} {name}" if "/" in name else f"{name.replace('_', ' ')} {value}"
            for name, value in self.facts.items()
        ]
        if self.unit and self.rate is not None and not any("/s" in name for name in self.facts):
            told.append(f"{self.amount(self.rate)}/s")
        if over:
            return [*told, seconds(self.elapsed)]
        return [*told, f"{seconds(self.left)} left"] if self.left is not None else told

    def progress(self) -> str:
        """Return ``340 of 1,200 steps``, or ``340 steps`` when the total is not known."""
        if self.total and self.done != self.total:
            return f"{self.amount(self.done, unit='')} of {self.amount(self.total)}"
        return self.amount(self.done)

    def amount(self, count: float, unit: str | None = None) -> str:
        """Return a count with its unit: ``1,200 steps``, ``170.5 MB``."""
        if self.unit == "B":
            return size(count)
        shown = f"{count:,.0f}" if count >= 10 or count == int(count) else f"{count:.1f}"
        word = self.unit if unit is None else unit
        if len(word) > 2 and not word.endswith("s") and count != 1:
            word += "s"
        return f"{shown} {word}".rstrip()


class Terminal:
    """Talk on a terminal: bars below, a table above them that is drawn again when it changes.

    Where the stream is no terminal, plain lines are written: at the start and the end of each
    task, and at most one in ten seconds between.

    Args:
        stream: standard error by default; results go to standard output, talk does not.
        console: a rich console to use in place of one made for the stream.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._stream = stream
        self._console = console
        self._live: Live | None = None
        self._tasks: list[Task] = []
        self._board: Table | None = None

    @property
    def console(self) -> Console:
        """The rich console that is written to."""
        if self._console is None:
            from rich.console import Console

            from gradatim.pages.terminal import aside

            stream = self._stream
            self._console = Console(file=stream, highlight=False) if stream else aside()
        return self._console

    @property
    def draws(self) -> bool:
        """Say whether bars can be drawn: the stream is a terminal that can move its cursor."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def say(self, text: str) -> None:
        """Tell one thing that happened."""
        self._print(text)

    def warn(self, text: str) -> None:
        """Tell one thing the user should look at."""
        self._print(text, head="warning: ")

    @contextmanager
    def track(self, what: str, total: int, unit: str = "") -> Iterator[Task]:
        """Open a bar for a task of ``total`` units; several may be open, one below the other."""
        if self.draws:
            task = Task(what, total, unit, self._clock)
        else:
            task = _LineTask(what, total, unit, self._clock, self._print)
        self._tasks.append(task)
        self._show()
        ended = "stopped"
        try:
            yield task
            ended = "done"
        finally:
            self._tasks.remove(task)
            self._print(
                ", ".join([f"{what}: {ended}, {task.progress()}", *task.parts(over=True)]), "dim"
            )
            self._hide()

    def board(self, table: Table | None) -> None:
        """Show a table above the bars while any is open, in place of the one before.

        None takes it away. Where nothing can be drawn, rows that are new or changed are written as
        lines.
        """
        before, self._board = self._board, table
        if self._live is not None:
            self._live.refresh()
        elif table is not None and not self.draws:
            known = _rows(before) if before is not None else []
            for row in _rows(table):
                if row not in known:
                    self._print(row)

    def close(self) -> None:
        """Forget the table and stop drawing; bars that are still open vanish."""
        self._tasks.clear()
        self._board = None
        self._hide()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _print(self, text: str, style: str = "", head: str = "") -> None:
        from rich.text import Text

        line = Text(head, style=f"bold {style}").append(_plain(text), f"not bold {style}")
        # A redirected stream gets one line a thing: nothing is folded at a width it does not have.
        self.console.print(line, soft_wrap=not self.console.is_terminal)

    def _show(self) -> None:
        """Draw now, and go on drawing while a bar is open."""
        if not self.draws:
            return
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                console=self.console,
                refresh_per_second=REDRAWN,
                get_renderable=self._drawn,
                redirect_stdout=False,
                redirect_stderr=False,
                transient=True,
            )
            self._live.start()
        self._live.refresh()

    def _hide(self) -> None:
        """Stop drawing when no bar is open: what was drawn vanishes, so nothing need be closed."""
        if self._live is not None and not self._tasks:
            live, self._live = self._live, None
            live.stop()

    def _drawn(self) -> RenderableType:
        from rich.console import Group

        parts: list[RenderableType] = []
        if self._board is not None:
            from gradatim.pages.terminal import render

            parts += render(self._board, self.console.width)
            parts.append("")
        return Group(*parts, *(_bar(task, self.console.width) for task in list(self._tasks)))


class _LineTask(Task):
    """A task told in lines: when it begins, and while it goes on, seldom."""

    def __init__(
        self,
        what: str,
        total: int,
        unit: str,
        clock: Callable[[], float],
        write: Callable[[str], None],
    ) -> None:
        super().__init__(what, total, unit, clock)
        self._write = write
        self._told = self._clock()
        write(f"{what}: {self.amount(total)}" if total else what)

    def update(self, done: int, **facts: str) -> None:
        """Write a line when the last one is ten seconds ago."""
        super().update(done, **facts)
        now = self._clock()
        if now - self._told >= LINE_EVERY:
            self._told = now
            self._write(", ".join([f"{self.what}: {self.progress()}", *self.parts()]))


def _bar(task: Task, width: int) -> RenderableType:
    """Return one line: what, bar, share done, facts, rate, time left, as far as they fit."""
    from rich.text import Text

    share = min(1.0, task.done / task.total) if task.total else 0.0
    filled = round(BAR * share)
    line = Text(f"{visible(task.what):<18} ", no_wrap=True, overflow="ellipsis")
    if task.total:
        line.append("━" * filled, "cyan").append("━" * (BAR - filled), "dim")
        line.append(f" {100 * share:3.0f} %")
    else:
        line.append(f"{task.done:,}")
    for part in task.parts():
        line.append("  " + _plain(part), "default")
    line.truncate(width, overflow="ellipsis")
    return line


def _plain(text: str) -> str:
    """Return text as it may stand on a terminal."""
    return visible(text).replace("\N{NO-BREAK SPACE}", " ")


def _rows(table: Table) -> list[str]:
    from gradatim.pages.cells import cells

    return [
        ", ".join(
            f"{column} {cell}" if index else cell
            for index, (column, cell) in enumerate(zip(table.columns, row, strict=True))
            if cell
        )
        for row in cells(table)
    ]
