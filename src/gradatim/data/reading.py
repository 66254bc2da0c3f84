"""Files are read whole and never waited for: pipes, devices and loops are refused with a reason."""

from __future__ import annotations

import errno
import io
import os
import stat

MAXIMUM_BYTES = 512 * 2**20


class Rejected(Exception):  # noqa: N818 - a fate, not a fault; it never reaches the user as an error
    """A file that cannot be used as a picture; ``reason`` is for the audit."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_bytes(path: str | os.PathLike[str], at_most: int | None = None) -> bytes:
    """Return the content of a regular file; never waits on a pipe or a device.

    Args:
        path: of the file.
        at_most: read no more than this many bytes from the beginning.

    Raises:
        Rejected: the file is not there, not regular, not readable or larger than 512 MiB.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        # Asked before opening too: opening a device can do something.
        _check_regular(os.stat(path))  # noqa: PTH116 - tens of thousands, and Path is slow
        with io.FileIO(os.open(path, flags | getattr(os, "O_CLOEXEC", 0))) as file:
            _check_regular(os.fstat(file.fileno()))  # what was opened, should it have been swapped
            return (file.readall() if at_most is None else file.read(at_most)) or b""
    except OSError as error:
        raise Rejected(_reason_of_system(error, path)) from error
    except ValueError as error:  # a null character in a path
        raise Rejected(f"not a path: {error}") from error
    except MemoryError as error:
        raise Rejected("larger than the memory at hand") from error


def _check_regular(status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        if status.st_size > MAXIMUM_BYTES:
            raise Rejected(f"file larger than {MAXIMUM_BYTES // 2**20} MiB")
        return
    kinds = {
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    kind = next((name for test, name in kinds.items() if test(mode)), "a special file")
    raise Rejected(f"{kind}, not a regular file")


def _reason_of_system(error: OSError, path: str | os.PathLike[str]) -> str:
    if error.errno == errno.ELOOP:
        return "symbolic links that lead round in a circle"
    if error.errno == errno.ENOENT:
        if os.path.islink(path):  # noqa: PTH114 - a Path of its own for each file would be slow
            return "symbolic link to a file that is not there"
        return "no such file"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "no permission to read"
    return f"cannot be read: {error.strerror or error}"
