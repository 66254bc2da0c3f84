"""Doing work ahead of the one who needs it, on one background thread, in order."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")


def ahead(make: Callable[[int], Result], numbers: range, depth: int) -> Iterator[Result]:
    """Yield ``make(number)`` of each number in order, made by a thread up to ``depth`` ahead.

    An exception in the thread is raised here, at its place in the order. The thread ends when the
    last is made, or when the iterator is closed, dropped or interrupted.

    Args:
        make: called on the thread, one call at a time.
        numbers: what it is called with.
        depth: how many results may wait, at least 1.
    """
    done: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()
    room = threading.Semaphore(depth)
    stopped = threading.Event()

    def work() -> None:
        for number in numbers:
            room.acquire()
            if stopped.is_set():
                return
            try:
                done.put((make(number), None))
            except BaseException as error:  # handed over and raised by the consumer
                done.put((None, error))
                return

    def stop() -> None:
        stopped.set()
        room.release()
        thread.join()

    thread = threading.Thread(target=work, name="gradatim-ahead", daemon=True)
    thread.start()
    atexit.register(stop)  # a thread still at work while Python is taken down may crash it
    try:
        for _ in numbers:
            result, error = done.get()
            if error is not None:
                raise error
            room.release()
            yield result  # type: ignore[misc]  # there is a result where there is no error
    finally:
        stop()
        atexit.unregister(stop)
