"""The Record: what happened in a run, as plain numbers, one JSON object a line.

Training and probes write it; doctor, stats, charts and pages only read it. Times are in seconds,
memory in bytes, losses in nats. ``docs/record.md`` lists every event and its fields.

The file is append-only. A checkpoint stores the length of the file in bytes, and a resumed run
truncates what came after, so that no step is ever repeated or missing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

SCHEMA = 1
Event = dict[str, Any]


def _plain(value: Any) -> Any:
    """Return the value as JSON holds it; numbers that are not finite become texts: ``"nan"``."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def number(value: Any) -> float:
    """Return a number read from a Record; the texts ``"nan"`` and ``"inf"`` count as numbers."""
    return float(value)


class Writer(Protocol):
    """Takes in events: a file of them, a list, or the Record of a run under way."""

    def write(self, event: str, **fields: Any) -> None:
        """Take in one event."""

    def flush(self) -> Any:
        """Keep what was taken in."""

    def close(self) -> None:
        """Take in no more."""


class RecordWriter:
    """Appends events to ``record.jsonl``. Lines are buffered until ``flush``.

    Args:
        path: the file; it is created with its first line when it is not there.
        length: truncate the file to this many bytes first (resuming); None appends.
    """

    def __init__(self, path: Path, length: int | None = None) -> None:
        self.path = path
        fresh = not path.exists() or length == 0
        self._file = open(path, "ab")  # noqa: SIM115 - closed by close()
        if length is not None:
            self._file.truncate(length)
            self._file.seek(0, os.SEEK_END)
        if fresh:
            self.write("record", schema=SCHEMA)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event."""
        fields = {"event": event, **fields}
        try:
            line = json.dumps(fields, ensure_ascii=False, allow_nan=False)
        except ValueError:  # a number that is not finite
            line = json.dumps(_plain(fields), ensure_ascii=False, allow_nan=False)
        self._file.write(line.encode() + b"\n")

    def flush(self, *, durable: bool = False) -> int:
        """Hand all lines to the system (``durable``: to the disk); return the length in bytes."""
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RecordInMemory:
    """Keeps events in a list, as a file of them would give them back."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.write("record", schema=SCHEMA)

    def write(self, event: str, **fields: Any) -> None:
        """Append one event."""
        self.events.append(_plain({"event": event, **fields}))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is to be closed."""


def read_record(path: Path) -> Iterator[Event]:
    """Yield the events of a Record in order; a last line cut short by a crash is left out."""
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)


class Record:
    """A Record read whole, with its events by name."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read ``record.jsonl``, or the one inside a run folder."""
        return cls(list(read_record(path / "record.jsonl" if path.is_dir() else path)))

    def of(self, event: str) -> list[Event]:
        """Return all events of one name, in order."""
        return [item for item in self.events if item["event"] == event]

    def last(self, event: str) -> Event | None:
        """Return the latest event of one name."""
        return next((item for item in reversed(self.events) if item["event"] == event), None)
