"""Files that are whole or not there: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradatim.errors import DiskError


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says about writing into a message for people."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(
                "the disk is full while writing",
                given=path,
                next_step="free some space and run the same command again; nothing before was lost",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise DiskError(
                "this place cannot be written",
                given=path,
                next_step="choose another folder with --out",
            ) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Flush a rename to the disk, where the system knows how (not on Windows)."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any instant leaves the old one or the new one.

    Raises:
        DiskError: the disk is full or the place cannot be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # created like any other file of the user's, not private as tempfile would
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
