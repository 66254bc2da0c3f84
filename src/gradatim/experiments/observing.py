"""Watching a run of ours: what the probes see goes into the run's own Record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradatim.errors import DiskError
from gradatim.probes.pace import Pace
from gradatim.probes.watcher import Watcher, watching

ALLOWANCE = 0.05
"""Seconds that looking may take before its share of the time counts: rungs of a ladder are short,
and each of them is watched."""


class _Through:
    """Hands events on to the Record of a run, which flushes and closes it itself."""

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write

    def write(self, event: str, **fields: Any) -> None:
        try:
            self._write(event, **fields)
        except DiskError:  # the run's next own event says so
            return

    def flush(self) -> None:
        return

    def close(self) -> None:
        return


@contextmanager
def observe(write: Callable[..., None], step: int) -> Iterator[None]:
    """Watch the steps of a run; leave it alone where somebody watches this thread already.

    Args:
        write: writes one event into the run's Record.
        step: steps that the run has made before.
    """
    if watching():
        yield
        return
    watcher = Watcher(_Through(write), Pace(ALLOWANCE), step=step)
    watcher.start()
    facts: dict[str, Any] = {}
    try:
        yield
        facts = {"exit": 0}
    except BaseException as error:
        facts = {"error": type(error).__name__, "message": str(error)[:2000]}
        raise
    finally:
        watcher.stop(**facts)
