"""The line of the user's own code that is running, and whether a thread runs at all."""

from __future__ import annotations

import sys
import sysconfig
import threading
from pathlib import Path

_PACKAGE = str(Path(__file__).resolve().parent.parent)
_LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {_PACKAGE}
)


_CELLS = ("<ipython-input", "<python-input", "<stdin>")
"""Where the name of a file begins so, somebody typed the code."""


def is_library(filename: str) -> bool:
    """Say whether a file belongs to Python, to an installed package or to this one."""
    if filename.startswith("<"):
        return not filename.startswith(_CELLS)
    return filename.startswith(_LIBRARIES) or "site-packages" in filename


def place() -> tuple[str | None, int | None]:
    """Return file and line of the innermost frame that is the user's own code."""
    frame = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None, None


def waits(thread: int) -> bool:
    """Say whether a thread waits for another one, other than for its start."""
    frame = sys._current_frames().get(thread)
    names = []
    while frame is not None and frame.f_code.co_filename == threading.__file__:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return bool(names) and "start" not in names
