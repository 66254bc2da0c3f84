"""Doing work ahead of the one who needs it, on background threads, in order."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

Result = TypeVar("Result")


TRIED = 8
"""Results made where they are used before it is decided who makes the rest."""

SHARE = 0.15
"""Of the time they are used for; what takes less to make is made where it is used. A thread would
hide it, but takes a core from the threads of the arithmetic, which wait for one another: LeNet on
two cores, 0.4 ms a batch to make and 5.7 to train on, took 7.3 with a thread."""

PATIENCE = 3
"""So many results in a row that were not there when they were needed call for another thread."""


def in_time(
    make: Callable[[int], Result], numbers: range, depth: int, most_threads: int = 1
) -> Generator[Result, None, None]:
    """Yield ``make(number)`` of each number in order: made here, or ahead where it takes long.

    Who makes them is measured as they are used, and has no influence on them. The arguments are
    those of ``ahead``.
    """
    making = using = 0.0
    for place, number in enumerate(numbers):
        began = time.perf_counter()
        result = make(number)
        made = time.perf_counter()
        yield result
        making += made - began
        using += time.perf_counter() - made
        if place + 1 >= TRIED and making > SHARE * using:
            yield from ahead(make, numbers[place + 1 :], depth, most_threads)
            return


def ahead(
    make: Callable[[int], Result], numbers: range, depth: int, most_threads: int = 1
) -> Generator[Result, None, None]:
    """Yield ``make(number)`` of each number in order, made by threads ahead of their use.

    One thread begins; others join it while the results come too late, which changes when they come
    and nothing else. An exception in a thread is raised here, at its place in the order. The
    threads end with the last result, or when the iterator is closed, dropped or interrupted.

    Args:
        make: called on a thread; with more than one of them it must not mind the others.
        numbers: what it is called with.
        depth: how many results may wait for each thread, at least 1.
        most_threads: at most so many.
    """
    crew = _Crew(make, numbers, depth)
    atexit.register(crew.stop)  # a thread still at work while Python is taken down may crash it
    late = 0
    try:
        crew.join()
        for place in range(len(numbers)):
            late = 0 if crew.has(place) else late + 1
            if late > PATIENCE and crew.size < most_threads:
                crew.join()
                late = 0
            result, error = crew.take(place)
            if error is not None:
                raise error
            yield result
    finally:
        crew.stop()
        atexit.unregister(crew.stop)


class _Crew:
    """Threads that work through the same numbers, none further ahead than there is room."""

    def __init__(self, make: Callable[[int], Any], numbers: range, depth: int) -> None:
        self._make, self._numbers, self._depth = make, numbers, depth
        self._threads: list[threading.Thread] = []
        self._done: dict[int, tuple[Any, BaseException | None]] = {}
        self._begun = self._used = 0
        self._stopped = False
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        return len(self._threads)

    def join(self) -> None:
        """Start another thread."""
        thread = threading.Thread(target=self._work, name="gradatim-ahead", daemon=True)
        self._threads.append(thread)
        thread.start()

    def has(self, place: int) -> bool:
        return place in self._done

    def take(self, place: int) -> tuple[Any, BaseException | None]:
        """Wait for a result and take it away, which makes room for another."""
        with self._changed:
            self._changed.wait_for(lambda: place in self._done)
            self._used += 1
            self._changed.notify_all()
            return self._done.pop(place)

    def stop(self) -> None:
        """End all threads, and wait for what they are at."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (place := self._next()) is not None:
            try:
                answer: tuple[Any, BaseException | None] = self._make(self._numbers[place]), None
            except BaseException as error:  # handed over and raised by the consumer
                answer = None, error
            with self._changed:
                self._done[place] = answer
                self._changed.notify_all()

    def _next(self) -> int | None:
        """Return the place of the next number once there is room for it; None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or self._begun == len(self._numbers)
                    or self._begun < self._used + self._depth * self.size
                )
            )
            if self._stopped or self._begun == len(self._numbers):
                return None
            self._begun += 1
            return self._begun - 1
