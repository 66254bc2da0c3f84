"""Run a script watched in a child process, and follow its Record while it grows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gradatim.core.record import Event, Record
from gradatim.errors import SourceNotFoundError

GRACE = 5.0
"""Seconds that a script which is asked to end has before it is killed."""


class Script:
    """A Python script to be run watched.

    Args:
        script: the file; with ``module`` the name of a module, as for ``python -m``.
        arguments: what it is given.
        record: where the observations go; the folder is made.
        module: run a module by its name.
        treatments: ``module:function`` each, applied right after PyTorch is imported.
        output: the file its standard output goes to; None is this process's own.
        quiet: throw the script's output away, and give it no input (for trials).
    """

    def __init__(
        self,
        script: Path,
        arguments: Sequence[str] = (),
        *,
        record: Path,
        module: bool = False,
        treatments: Sequence[str] = (),
        output: Path | None = None,
        quiet: bool = False,
    ) -> None:
        if not module and not script.is_file():
            raise SourceNotFoundError(
                "there is no script here", given=script, next_step="give the path of a .py file"
            )
        self.record = record
        self.exit: int | None = None
        self.events: list[Event] = []
        self._read = 0
        record.parent.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        options = [word for item in treatments for word in ("--with", item)]
        options += ["--module"] if module else []
        self._command = [
            *(sys.executable, "-m", "gradatim.probes.child", *options),
            *(str(record.resolve()), str(script), *arguments),
        ]
        self._output, self._quiet = output, quiet
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child."""
        nowhere = subprocess.DEVNULL if self._quiet else None
        if self._output is None:
            self._process = subprocess.Popen(
                self._command, stdin=nowhere, stdout=nowhere, stderr=nowhere
            )
            return
        with open(self._output, "wb") as file:
            self._process = subprocess.Popen(
                self._command, stdin=nowhere, stdout=file, stderr=nowhere
            )

    def read(self) -> bool:
        """Take in what was written since; say whether that was anything."""
        if not self.record.exists():
            return False
        with open(self.record, "rb") as file:
            file.seek(self._read)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        self.events += [json.loads(line) for line in whole.splitlines()]
        return bool(whole)

    def follow(
        self, look: Callable[[Record], bool], *, every: float = 2.0, limit: float | None = None
    ) -> int:
        """Wait for the script, showing its Record to ``look`` about every so many seconds.

        Args:
            look: gets the Record so far; True ends the script.
            every: seconds between two looks.
            limit: seconds after which the script is ended; None waits for ever.

        Returns:
            The script's exit code; negative when a signal ended it.
        """
        if self._process is None:
            self.start()
        process = self._process
        assert process is not None
        began = looked = time.monotonic()
        try:
            while process.poll() is None:
                now = time.monotonic()
                if limit is not None and now - began > limit:
                    self._end("time")
                    break
                if now - looked >= every:
                    looked = now
                    if self.read() and look(Record(self.events)):
                        self._end("alarm")
                        break
                time.sleep(0.05)
        except KeyboardInterrupt:
            if not _from_terminal():  # a terminal sends Ctrl-C to both of us
                process.send_signal(signal.SIGINT)
            process.wait()  # it may save something; a second Ctrl-C ends it
        finally:
            if process.poll() is None:
                process.kill()
        self.exit = process.wait()
        self.read()
        self._close()
        return self.exit

    def _end(self, why: str) -> None:
        """Ask the script to end, and kill it when it does not."""
        process = self._process
        assert process is not None
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.read()
        self._note("ended", why=why)

    def _close(self) -> None:
        """Say in the Record how the script ended, when it could not say so itself."""
        if self.exit is not None and not any(e["event"] == "unwatched" for e in self.events):
            steps = [row[0] for e in self.events if e["event"] == "losses" for row in e["rows"]]
            self._note("unwatched", step=max(steps, default=0), exit=self.exit, killed=True)

    def _note(self, event: str, **fields: Any) -> None:
        fields = {"event": event, **fields}
        self.events.append(fields)
        with open(self.record, "r+b") as file:
            file.truncate(self._read)  # a line cut short by a kill
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(fields).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _from_terminal() -> bool:
    """Say whether this process is in the foreground of a terminal."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # no terminal, or a system without groups
        return os.name == "nt"
