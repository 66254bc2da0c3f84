"""The cache folder: what can be made again. It can be shown and cleared at any time.

::

    <cache>/images/<key>/      decoded pictures, one memory-mapped file a policy
    <cache>/files/<key>/       what is remembered of a folder's files, to see quickly what changed
    <cache>/features/<key>/    what a network that others trained makes of images
    <cache>/downloads/<name>/  downloaded data sets
    <cache>/diagnoses/<name>/  Record and page of each diagnosis of a script
    <cache>/building/          files being written; leftovers of killed processes are swept away

Every entry is a folder with an ``about.json`` of ours in it; nothing without one is ever deleted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from gradatim.core.files import write_json, write_text
from gradatim.data.audit import printable
from gradatim.errors import DiskError, UnknownNameError

KINDS = ("images", "files", "features", "downloads", "diagnoses")
ABOUT = "about.json"
LEFTOVER_SECONDS = 60.0
"""A file in ``building`` younger than this is never taken for a leftover."""

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of gradatim; see https://bford.info/cachedir/\n"
    "# `gradatim cache show` lists what is in it, `gradatim cache clear` empties it.\n"
)
"""Tells backup programs to leave the folder out (Cache Directory Tagging Specification)."""


@dataclass(frozen=True)
class Entry:
    """One thing in the cache.

    Attributes:
        kind: one of ``KINDS``.
        name: of its folder.
        source: what it was made from.
        bytes: size on disk.
        used: when it was last used, seconds since 1970.
        path: the folder.
    """

    kind: str
    name: str
    source: str
    bytes: int
    used: float
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, the time as text."""
        used = datetime.fromtimestamp(self.used).astimezone().isoformat(" ", "minutes")
        return {**asdict(self), "used": used, "path": printable(self.path)}


def cache_folder() -> Path:
    """Return where the cache is: ``GRADATIM_CACHE``, else the platform's place for caches.

    That is ``$XDG_CACHE_HOME`` or ``~/.cache`` on Linux, ``~/Library/Caches`` on macOS and
    ``%LOCALAPPDATA%`` on Windows. The folder need not exist yet.
    """
    chosen = os.environ.get("GRADATIM_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "gradatim-cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "gradatim"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "gradatim" / "cache"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The specification asks to ignore a relative path.
    return (Path(xdg) if xdg.startswith("/") else home / ".cache") / "gradatim"


def claim(cache: Path, kind: str, name: str, source: str) -> Path:
    """Return the folder of an entry, made and marked as ours and as used now.

    Raises:
        DiskError: the cache cannot be written.
    """
    folder = cache / kind / name
    about = folder / ABOUT
    with cache_errors(cache):
        if not (cache / "CACHEDIR.TAG").exists():
            write_text(cache / "CACHEDIR.TAG", _TAG)
        if not about.exists():
            write_json(about, {"gradatim": kind, "source": source, "created": time.time()})
        os.utime(about)
    return folder


@contextmanager
def building(cache: Path, suffix: str) -> Iterator[IO[bytes]]:
    """Open a file of our own to be written; what is not moved away by the end is deleted.

    The file is locked while it is open, so that others can tell it from a leftover.

    Raises:
        DiskError: writing failed.
    """
    folder = cache / "building"
    with cache_errors(cache):
        folder.mkdir(parents=True, exist_ok=True)
        sweep(cache)
        handle, name = tempfile.mkstemp(prefix="gradatim-", suffix=suffix, dir=folder)
        os.close(handle)
        opened = open(name, "r+b")  # noqa: SIM115 - closed by the next line
    with opened as file:
        with contextlib.suppress(OSError):  # a file system without locks: age alone decides
            _lock(file)
        try:
            with cache_errors(cache):
                yield file
        finally:
            with contextlib.suppress(OSError, ValueError):
                file.close()
            with contextlib.suppress(OSError):
                Path(name).unlink(missing_ok=True)


def sweep(cache: Path) -> int:
    """Delete what killed processes left in ``building``; return how many files that were."""
    swept = 0
    for leftover in (cache / "building").glob("gradatim-*"):
        # Windows refuses to delete an open file; elsewhere the lock says that somebody writes.
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime < LEFTOVER_SECONDS:
                continue
            with open(leftover, "rb") as file:
                _lock(file)
                if sys.platform != "win32":
                    leftover.unlink()
            if sys.platform == "win32":
                leftover.unlink()
            swept += 1
    return swept


def _lock(file: IO[bytes]) -> None:
    """Lock a file without waiting; the system unlocks it when the process ends, however it ends.

    Raises:
        OSError: somebody else holds the lock, or the file system knows none.
    """
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def cache_errors(cache: Path) -> Iterator[None]:
    """Turn whatever the system says about writing the cache into a message for people."""
    try:
        yield
    except (OSError, DiskError) as error:
        if isinstance(error, DiskError) and error.given == cache:
            raise  # said already, further inside
        told = error.__cause__ if isinstance(error, DiskError) else error
        raise DiskError(
            f"the cache cannot be written ({getattr(told, 'strerror', None) or told})",
            given=cache,
            next_step="free some space (`gradatim cache clear`), or set GRADATIM_CACHE to a folder "
            "elsewhere; nothing before was lost",
        ) from told


def entries(cache: Path | None = None) -> list[Entry]:
    """Return what is in the cache, the latest used first."""
    cache = cache or cache_folder()
    found = []
    for kind in KINDS:
        for folder in _subfolders(cache / kind):
            about = _about(folder, kind)
            if about is not None:
                with contextlib.suppress(OSError):  # cleared by somebody else just now
                    used = (folder / ABOUT).stat().st_mtime
                    source = str(about.get("source", ""))
                    found.append(Entry(kind, folder.name, source, _bytes(folder), used, folder))
    return sorted(found, key=lambda entry: (-entry.used, entry.kind, entry.name))


def clear(
    cache: Path | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    unused_for: float = 0.0,
) -> list[Entry]:
    """Delete entries and leftovers and return the entries that are gone.

    Args:
        cache: the folder; that of the platform when None.
        kinds: which kinds to delete.
        unused_for: only what was not used for this many seconds.

    Raises:
        UnknownNameError: there is no such kind.
    """
    cache = cache or cache_folder()
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("the cache has no such kind", given=kind, allowed=KINDS)
    gone = []
    for entry in entries(cache):
        if entry.kind in kinds and time.time() - entry.used >= unused_for:
            # The mark goes last: an interrupted deletion can be taken up again.
            for inner in entry.path.iterdir():
                if inner.name != ABOUT:
                    _delete(inner)
            if {inner.name for inner in entry.path.iterdir()} <= {ABOUT}:
                _delete(entry.path)
                gone.append(entry)
    sweep(cache)
    return gone


def _delete(path: Path) -> None:
    """Delete as far as the system allows (Windows keeps files that are in use)."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _about(folder: Path, kind: str) -> dict[str, Any] | None:
    """Return what a folder says about itself, None when it is not ours."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and about.get("gradatim") == kind else None


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(inner for inner in folder.iterdir() if inner.is_dir())
    except OSError:
        return []


def _bytes(folder: Path) -> int:
    """Return the bytes of all files below; a file that vanishes meanwhile counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total
