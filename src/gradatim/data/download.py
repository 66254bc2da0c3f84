"""Files from the network: whole, of the right size and checksum, or not there at all.

What has arrived is kept in a file ending in ``.part``, which a later call goes on with; the file
gets its name only when its size and SHA-256 are right.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from gradatim.core.files import disk_errors
from gradatim.core.talk import SILENCE, Bar, Talk
from gradatim.errors import DownloadError

TIMEOUT = 30.0
"""Seconds without an answer after which an address is given up."""

ABANDONED = 60.0
"""Seconds without a byte after which a partial file is taken over: its writer is gone."""

_PIECE = 1 << 18
_NOTHING_THERE = 416  # the range asked for lies beyond the end of the file
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Remote:
    """A file at a known address: its name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


class _WrongContentError(Exception):
    """What arrived is not what was promised."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never away from https."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(remote: Remote, bases: Sequence[str], folder: Path, talk: Talk = SILENCE) -> Path:
    """Return the file in the folder, downloading it from the first address that delivers it.

    Args:
        remote: what to fetch.
        bases: addresses of folders that hold it, tried in order; https, or the loopback host.
        folder: where it is kept.
        talk: shows a bar in bytes.

    Raises:
        DownloadError: no network, or what came has another size or checksum; the message says
            which file to put where.
        DiskError: the disk is full or the folder cannot be written.
    """
    target = folder / remote.name
    if (
        target.is_file()
        and target.stat().st_size == remote.size
        and _sha256(target) == remote.sha256
    ):
        return target
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for base in bases:
        try:
            return _fetch_one(remote, base.rstrip("/") + "/" + remote.name, target, talk)
        except _WrongContentError as error:
            reasons.append(f"{urlsplit(base).netloc}: {error}")
        except (OSError, http.client.HTTPException) as error:
            reasons.append(f"{urlsplit(base).netloc}: {getattr(error, 'reason', None) or error}")
    raise DownloadError(
        f"{remote.name} could not be downloaded ({'; '.join(reasons)})",
        next_step=f"run the command again, or put the file ({remote.size:,} bytes) at {target}; "
        f"it comes from {bases[0]}",
    )


def _fetch_one(remote: Remote, address: str, target: Path, talk: Talk) -> Path:
    """Download one file from one address, going on with what an earlier call left."""
    _check_address(address)
    part = target.with_name(f"{remote.name}.{os.getpid()}.part")
    _take_over(target, part)
    try:
        with talk.track(f"downloading {remote.name}", remote.size, "B") as bar:
            _receive(remote, address, part, bar)
        if _sha256(part) != remote.sha256:
            raise _WrongContentError("the checksum (SHA-256) is wrong")
        with disk_errors(target):
            part.replace(target)
    except _WrongContentError:
        part.unlink(missing_ok=True)
        raise
    except BaseException:
        with contextlib.suppress(OSError):
            part.replace(target.with_name(f"{remote.name}.part"))
        raise
    return target


def _take_over(target: Path, part: Path) -> None:
    """Rename a partial file that nobody writes to any more, so that exactly one process has it."""
    left = target.with_name(f"{target.name}.part")
    abandoned = [
        path
        for path in target.parent.glob(f"{target.name}.*.part")
        if time.time() - path.stat().st_mtime > ABANDONED
    ]
    for path in (left, *abandoned):
        if not part.exists():
            with contextlib.suppress(OSError):
                path.replace(part)


def _receive(remote: Remote, address: str, part: Path, bar: Bar) -> None:
    """Append to the partial file until it has the size promised."""
    have = part.stat().st_size if part.exists() else 0
    if have > remote.size:
        part.unlink()
        have = 0
    if have == remote.size:
        return
    headers = {"User-Agent": "gradatim"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(address, headers=headers)
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        answer = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == _NOTHING_THERE:
            raise _WrongContentError("the file there is shorter than what came before") from error
        raise
    with answer:
        if have and answer.status != 206:  # the server sends the whole file
            have = 0
        with disk_errors(part), open(part, "ab" if have else "wb") as file:
            while piece := answer.read(_PIECE):
                have += len(piece)
                if have > remote.size:
                    raise _WrongContentError(f"more than the {remote.size:,} bytes expected came")
                file.write(piece)
                bar.update(have)
    if have < remote.size:
        raise ConnectionError(f"the connection ended after {have:,} of {remote.size:,} bytes")


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise _WrongContentError(f"it leads to an address that is not https: {address}")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
