"""Text files (.txt): one long text, to be continued character by character."""

from __future__ import annotations

from pathlib import Path

from gradatim.data.raw import RawText
from gradatim.data.reading import Rejected, read_bytes
from gradatim.data.sources import Request
from gradatim.data.sources.table import decoded
from gradatim.errors import DataError, EmptySourceError, UsageError


def read(request: Request) -> RawText:
    r"""Read a text file whole; line ends become ``\n``.

    Raises:
        UsageError: a target or another task was asked for.
        EmptySourceError: the file holds no text.
        DataError: the file cannot be read, or holds binary data.
    """
    if request.target is not None or request.task not in (None, "next-token"):
        raise UsageError(
            "a text file has no targets; what is learnt is its next character",
            given=request.target or request.task,
            next_step="leave target and task out, or give a table with a column of texts",
        )
    text, notes = read_text(request.path)
    return RawText(request.path.stem, text, notes)


def read_text(path: Path) -> tuple[str, list[str]]:
    r"""Return the text of a file with ``\n`` between its lines, and notes on how it was read.

    Raises:
        EmptySourceError: the file holds no text.
        DataError: the file cannot be read, or holds binary data.
    """
    try:
        content = read_bytes(path)
    except Rejected as rejected:
        raise DataError(
            f"the text cannot be read ({rejected.reason})",
            given=path,
            next_step="check the path and its permissions",
        ) from rejected
    text, notes = decoded(path, content)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise EmptySourceError("the text is empty", given=path)
    return text, notes
