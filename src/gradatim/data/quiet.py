"""Pillow's own warnings, kept off the user's terminal while files are audited."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import ImageFile

_lock = threading.Lock()
_inside = 0
_outside = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow from printing about odd files, and from taking truncated ones for whole.

    Warning filters and Pillow's settings are shared by all threads, so the first to enter sets
    them and the last to leave restores them. Only warnings and log lines of Pillow are silenced.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _enter()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _outside.close()


def _enter() -> None:
    logger = logging.getLogger("PIL")
    _outside.callback(logger.setLevel, logger.level)
    logger.setLevel(logging.CRITICAL + 1)
    _outside.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", module=r"PIL\.")
    _outside.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
