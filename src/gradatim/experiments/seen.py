"""``with gradatim.watch(model, optimizer) as seen:`` -- a loop watched from inside."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gradatim.core.files import disk_errors
from gradatim.core.record import Record, RecordInMemory, RecordWriter
from gradatim.doctor.diagnosis import diagnose
from gradatim.errors import UsageError
from gradatim.experiments.diagnosed import RECORD, Diagnosed, keep

if TYPE_CHECKING:
    from gradatim.core.page import Page
    from gradatim.probes.watcher import Watcher


class Seen:
    """What is seen of everything that trains inside a ``with`` block, in the thread that enters it.

    Nothing is printed, nothing waits, and at the end every hook is taken away. An exception
    passes through and is noted.

    Args:
        parts: the models and optimisers that train, for the reader's sake and to find mistakes;
            all that trains is seen.
        out: folder for Record, page and result; None keeps the Record in memory.

    Raises:
        UsageError: a part is no model and no optimiser.
    """

    def __init__(self, *parts: Any, out: Path | None = None) -> None:
        from torch import nn, optim

        for part in parts:
            if not isinstance(part, nn.Module | optim.Optimizer):
                raise UsageError(
                    "only models and optimisers can be watched",
                    given=type(part).__name__,
                    allowed="torch.nn.Module, torch.optim.Optimizer",
                    next_step="e.g. `with gradatim.watch(model, optimizer) as seen:`",
                )
        self._out = out
        self._memory = RecordInMemory()
        self._watcher: Watcher | None = None

    def __enter__(self) -> Seen:
        """Begin to watch.

        Raises:
            UsageError: this thread is watched already, or this object was used before.
            DiskError: the folder cannot be written.
        """
        from gradatim.probes.watcher import Watcher, watching

        if self._watcher is not None:
            raise UsageError(
                "this watch was used before", next_step="call gradatim.watch(...) again"
            )
        if watching(whole=False):
            raise UsageError(
                "this loop is watched already",
                next_step="one `with gradatim.watch(...)` around the outermost loop sees all",
            )
        self._watcher = Watcher(self._writer())
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take every hook away, and write the page where a folder was given."""
        assert self._watcher is not None
        facts: dict[str, Any] = {}
        if error is not None:
            last = traceback.extract_tb(trace)[-1:]
            place = {"file": last[0].filename, "line": last[0].lineno} if last else {}
            name = type(error).__name__
            facts = {"error": name, "message": str(error)[:2000], **place}
        self._watcher.stop(**facts)
        if self._out is not None and error is None:
            keep(self.verdict())

    @property
    def record(self) -> Record:
        """What was observed so far."""
        if self._watcher is not None:
            self._watcher.catch_up()
            self._watcher.writer.flush() if self._watcher.active else None
        return Record.read(self._out) if self._out is not None else Record(self._memory.events)

    def verdict(self) -> Diagnosed:
        """Say what is wrong, at any time: inside the loop by what was seen so far."""
        record = self.record
        judged = diagnose(record, finished=record.last("unwatched") is not None)
        return Diagnosed("watched loop", judged, record, {}, self._out)

    @property
    def page(self) -> Page:
        """The whole page of the verdict."""
        return self.verdict().page

    def _writer(self) -> RecordInMemory | RecordWriter:
        if self._out is None:
            return self._memory
        with disk_errors(self._out):
            self._out.mkdir(parents=True, exist_ok=True)
            (self._out / RECORD).unlink(missing_ok=True)
            return RecordWriter(self._out / RECORD)
