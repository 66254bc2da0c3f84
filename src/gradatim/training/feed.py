"""Feed: any source of batches, gone through epoch by epoch and from any batch on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import torch

from gradatim.errors import UsageError
from gradatim.training.randomness import FETCH, mix


class Feed:
    """Batches of ``(inputs, targets)``, counted.

    An object with ``epoch(number, start)`` (such as ``gradatim.data.Batches``) is asked for its
    epochs. Any other iterable that can be gone through again and again (a list, a torch
    ``DataLoader``) is started anew for every epoch; PyTorch's generator is seeded before the
    start and before every batch as a function of (seed, epoch, batch), and so is a generator of
    its own, so that a shuffling ``DataLoader`` has the same order when the run is resumed or
    repeated. Resuming within an
    epoch then fetches the batches before once more, without using them.

    Args:
        batches: the source.
        seed: of the order, for iterables without ``epoch``.

    Raises:
        UsageError: the source has no length, or no batch.
    """

    def __init__(self, batches: Any, seed: int) -> None:
        self._batches = batches
        self._seed = seed
        by_epoch = getattr(batches, "epoch", None)
        self._by_epoch: Callable[[int, int], Iterator[Any]] | None = (
            by_epoch if callable(by_epoch) else None
        )
        try:
            self.steps = len(batches)
        except TypeError as error:
            raise UsageError(
                "the batches have no length, so the schedule cannot be planned",
                given=type(batches).__name__,
                next_step="give a list of batches, a DataLoader or gradatim.data.Batches",
            ) from error
        if self.steps == 0:
            raise UsageError("there is no batch", given=type(batches).__name__)

    @property
    def samples(self) -> int | None:
        """Number of samples of one epoch, where the source knows it."""
        samples: int | None = getattr(self._batches, "samples", None)
        if samples is None:
            with suppress(TypeError):
                samples = len(getattr(self._batches, "dataset", None))  # type: ignore[arg-type]
        return samples

    def epoch(self, number: int, start: int = 0) -> Iterator[Any]:
        """Yield the batches of an epoch (counted from 0) from the batch ``start`` on.

        Raises:
            UsageError: the source is exhausted although the epoch is not over.
        """
        if self._by_epoch is not None:
            source = iter(self._by_epoch(number, start))
        else:
            source = self._again(number, start)
        done = start
        try:
            for batch in source:
                yield batch
                done += 1
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
        if done < self.steps:
            raise UsageError(
                f"the batches ended after {done} of {self.steps} in epoch {number + 1}",
                given=type(self._batches).__name__,
                next_step="give batches that can be gone through again: a list, not an iterator",
            )

    def _again(self, number: int, start: int) -> Iterator[Any]:
        seed = torch.default_generator.manual_seed
        seed(mix(self._seed, FETCH, number))
        own = getattr(self._batches, "generator", None)
        if isinstance(own, torch.Generator):
            own.manual_seed(mix(self._seed, FETCH, number))
        source = iter(self._batches)
        for position in range(self.steps):
            seed(mix(self._seed, FETCH, number, position))
            try:
                batch = next(source)
            except StopIteration:
                return
            if position >= start:
                yield batch
