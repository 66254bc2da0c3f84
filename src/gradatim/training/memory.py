"""Memory: what one step frees is kept for the next one.

The C library of most Linux systems (glibc) gives large blocks back to the system as soon as they
are freed, and every step asks for the same blocks again: each of their pages is then cleared and
entered anew. For photos this was half of the time (EfficientNet-Lite0 at 224 pixels, 64 images a
step, channels-last: 53 ms an image, and 22 with the memory kept; docs/why/fine-tuning.md). Nothing
is known to be gained on other systems, where this does nothing. No bit of a result depends on it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# Parameters of mallopt(3), from <malloc.h>.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = -1, -2, -3, -4
KEPT: Mapping[int, int] = {MMAP_MAX: 0, TRIM_THRESHOLD: -1, TOP_PAD: 64 * 2**20}
# Afterwards: the defaults, with the threshold that glibc itself would come to in such a process.
USUAL: Mapping[int, int] = {
    MMAP_MAX: 65536,
    TRIM_THRESHOLD: 64 * 2**20,
    TOP_PAD: 128 * 2**10,
    MMAP_THRESHOLD: 32 * 2**20,
}

_lock = threading.Lock()
_users = 0


@contextmanager
def kept() -> Iterator[None]:
    """Keep freed memory in the process while the context is open; give it back at its end.

    Settings of the allocator that the user made in the environment are left alone.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users
    with _lock:
        _users += 1
        if _users == 1 and (library := _glibc()) is not None:
            _set(library, KEPT)


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0 and (library := _glibc()) is not None:
            _set(library, USUAL)
            library.malloc_trim(0)


def _set(library: ctypes.CDLL, values: Mapping[int, int]) -> None:
    for parameter, value in values.items():
        library.mallopt(parameter, value)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc and the user has not set its allocator."""
    if not sys.platform.startswith("linux"):
        return None
    if any(name.startswith("MALLOC_") for name in os.environ) or "GLIBC_TUNABLES" in os.environ:
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
