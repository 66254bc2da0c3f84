"""How rooms tell the user what goes on, without knowing what the user sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gradatim.core.page import Table


class Bar(Protocol):
    """One task under way."""

    def update(self, done: int, **facts: str) -> None:
        """Say that ``done`` units of the total are done; facts are shown beside, in order."""


class Talk(Protocol):
    """Where talk and progress go; results never go through it."""

    def say(self, text: str) -> None:
        """Tell one thing that happened."""

    def warn(self, text: str) -> None:
        """Tell one thing the user should look at."""

    def track(self, what: str, total: int, unit: str = "") -> AbstractContextManager[Bar]:
        """Open a bar for a task of ``total`` units; use it in a ``with`` statement."""

    def board(self, table: Table) -> None:
        """Show a table that grows while the work goes on, in place of the one shown before."""


class _SilentBar:
    def update(self, done: int, **facts: str) -> None:
        """Say nothing."""


class Silence:
    """The talk of the Python functions by default: nothing is printed."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def board(self, table: Table) -> None:
        """Show nothing."""

    @contextmanager
    def track(self, what: str, total: int, unit: str = "") -> Iterator[Bar]:
        """Show nothing."""
        yield _SilentBar()


SILENCE = Silence()
