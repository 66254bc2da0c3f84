"""Every error a user can meet.

    GradatimError                    what, given, allowed, closest match, next step
    ├── UsageError                   the request itself cannot be met
    │   ├── UnknownNameError         a name that no table holds
    │   └── ValueRefusedError        a value outside what is allowed
    ├── DataError                    the source cannot be used
    │   ├── SourceNotFoundError      nothing is there
    │   ├── EmptySourceError         nothing usable is there
    │   ├── TooFewClassesError       nothing to tell apart
    │   ├── ColumnError              a table lacks a column, or the column does not fit
    │   └── DownloadError            offline, wrong size or wrong checksum
    ├── RunError                     a run folder cannot be used
    │   ├── NotARunError             no run is there
    │   └── CheckpointError          a checkpoint is missing, damaged or does not fit
    ├── DivergedError                training left the finite numbers before anything was kept
    ├── MemoryShortageError          the smallest step does not fit into memory
    ├── PackageError                 a model package cannot be used
    ├── WeightsError                 a weight file does not fit the model
    └── DiskError                    writing failed: disk full, no permission

The command line prints the message and ends with exit code 2; no traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(given: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed word most like the given one, or None when none is alike."""
    by_lower = {word.lower(): word for word in allowed}
    found = difflib.get_close_matches(given.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


class GradatimError(Exception):
    """An error for people: what is wrong, what was given, what is allowed, what to do next.

    Args:
        what: one sentence without a full stop, e.g. ``there is no model of this name``.
        given: the value the user gave, shown quoted.
        allowed: what would have been accepted; a list is searched for the closest match.
        next_step: one sentence that says what to do.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        given: object = None,
        allowed: str | Iterable[str] | None = None,
        next_step: str | None = None,
    ) -> None:
        self.what = what
        self.given = given
        self.allowed = allowed if allowed is None or isinstance(allowed, str) else list(allowed)
        self.next_step = next_step
        self.closest = (
            closest(str(given), self.allowed)
            if given is not None and isinstance(self.allowed, list)
            else None
        )
        super().__init__(self.message())

    def message(self) -> str:
        """Return the message as shown to the user, one fact a line."""
        head = self.what if self.given is None else f"{self.what}: {str(self.given)!r}"
        lines = [head]
        if self.closest is not None:
            lines.append(f"  did you mean {self.closest!r}?")
        if self.allowed:
            allowed = self.allowed if isinstance(self.allowed, str) else ", ".join(self.allowed)
            lines.append(f"  allowed: {allowed}")
        if self.next_step:
            lines.append(f"  next: {self.next_step}")
        return "\n".join(lines)


class UsageError(GradatimError):
    """The request itself cannot be met."""


class UnknownNameError(UsageError):
    """A name that no table holds."""


class ValueRefusedError(UsageError):
    """A value outside what is allowed."""


class DataError(GradatimError):
    """The source cannot be used."""


class SourceNotFoundError(DataError):
    """Nothing is at the place named."""


class EmptySourceError(DataError):
    """The place named holds nothing that can be used."""


class TooFewClassesError(DataError):
    """The source has fewer than two classes: there is nothing to tell apart."""


class ColumnError(DataError):
    """A table lacks a column, or the column does not fit its use."""


class DownloadError(DataError):
    """A download failed: no network, wrong size or wrong checksum."""


class RunError(GradatimError):
    """A run folder cannot be used."""


class NotARunError(RunError):
    """No run is at the place named."""


class CheckpointError(RunError):
    """A checkpoint is missing, damaged or does not fit the run."""


class DivergedError(GradatimError):
    """Training left the finite numbers before any weights were worth keeping."""


class MemoryShortageError(GradatimError):
    """The smallest step that can be taken does not fit into memory."""


class PackageError(GradatimError):
    """A model package cannot be used."""


class WeightsError(GradatimError):
    """A weight file does not fit the model."""


class DiskError(GradatimError):
    """Writing failed: the disk is full or the place cannot be written."""
