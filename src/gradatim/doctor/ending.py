"""How a watched script ended, told from its Record: a crash is an observation too."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import PurePath

from gradatim.core.record import Record


@dataclass(frozen=True)
class Ending:
    """How it ended: ``says`` completes "the script …"; ``itself`` when nothing was amiss."""

    says: str
    itself: bool = False
    file: str | None = None
    line: int | None = None


def ending(record: Record) -> Ending:
    """Return how the script of a Record ended."""
    last = record.last("unwatched")
    ended = record.last("ended")
    if last is None:
        return Ending("has not ended yet", True)
    if ended is not None:
        stopped = {"alarm": "was ended after its alarm", "time": "was ended when its time was up"}
        return Ending(stopped.get(str(ended["why"]), "was ended"))
    code = last.get("exit")
    if "error" in last:
        return _raised(str(last["error"]), str(last.get("message") or ""), last)
    if last.get("killed") and isinstance(code, int) and code < 0:
        return Ending(_signalled(-code))
    if last.get("killed"):
        return Ending(f"left without Python's own ending, with exit code {code}")
    if code:
        return Ending(f"ended with exit code {code}")
    return Ending("ended by itself", True)


def _raised(error: str, message: str, last: dict[str, object]) -> Ending:
    if error == "KeyboardInterrupt":
        return Ending("was stopped by Ctrl-C")
    file, line = last.get("file"), last.get("line")
    words = message.strip().splitlines()
    says = f"stopped with {error}" + (f": {words[0][:200]}" if words else "")
    if not file:
        return Ending(says)
    place = f"{PurePath(str(file)).name}:{line}"
    return Ending(f"{says} ({place})", False, str(file), int(str(line)) if line else None)


def _signalled(number: int) -> str:
    if number == 2:
        return "was stopped by Ctrl-C"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    if name == "SIGKILL":
        return (
            "was killed from outside (SIGKILL); where nobody did that, the system ran out of memory"
        )
    verb = (
        "crashed" if name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL") else "was ended"
    )
    return f"{verb} (signal {number}, {name})"
