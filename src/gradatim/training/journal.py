"""Journal: what a run tells while it goes on, to the Record and to the user.

The loss of a step stays on the device; about ten times a second all losses that have gathered are
fetched at once, so that a step never waits for the one before it to be computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gradatim.core.files import disk_errors
from gradatim.core.record import RecordWriter
from gradatim.core.talk import Bar
from gradatim.errors import CheckpointError
from gradatim.training import clock
from gradatim.training.metrics import Sums

FETCH_SECONDS = 0.1  # between two looks at the losses, and two updates of the bar
FLUSH_SECONDS = 1.0  # between two flushes of the Record
MOST_PENDING = 256  # steps


class _Step(NamedTuple):
    number: int
    epoch: int
    rate: float
    loss: Tensor
    outputs: Tensor
    targets: Tensor


class Journal:
    """Writes the Record of a run and moves its bar.

    Args:
        path: of the Record; None: there is none.
        length: the Record is cut to this many bytes first (0: a new one).
        sums: of the epoch under way, kept up to date by ``fetch``.

    Attributes:
        diverged: the first step whose loss was not finite, or None.
        loss: of the last step fetched.
        epochs: the ``epoch`` events, oldest first.
    """

    def __init__(self, path: Path | None, length: int, sums: Sums) -> None:
        self._path = path
        self._sums = sums
        self._pending: list[_Step] = []
        self._looked = self._flushed = clock.now()
        self.diverged: int | None = None
        self.loss = math.nan
        self.epochs: list[dict[str, Any]] = []
        self._record: RecordWriter | None = None
        if path is not None:
            size = path.stat().st_size if path.exists() else 0
            if size < length:
                raise CheckpointError(
                    "the Record is shorter than when the checkpoint was written",
                    given=path,
                    allowed=f"at least {length} bytes",
                    next_step="bring the file back, or remove `checkpoint` to start over",
                )
            with disk_errors(path):
                self._record = RecordWriter(path, length)

    def write(self, event: str, **fields: Any) -> None:
        """Write one event."""
        if self._record is not None and self._path is not None:
            with disk_errors(self._path):
                self._record.write(event, **fields)

    def step(
        self,
        number: int,
        epoch: int,
        rate: float,
        loss: Tensor,
        outputs: Tensor,
        targets: Tensor,
    ) -> bool:
        """Take in a step; return whether it was time to look at the losses."""
        self._pending.append(_Step(number, epoch, rate, loss, outputs, targets))
        looked = clock.now() - self._looked >= FETCH_SECONDS
        if looked or len(self._pending) >= MOST_PENDING:
            self.fetch()
        if looked:
            self._looked = clock.now()
        return looked

    def fetch(self) -> None:
        """Fetch what is pending from the device: into the sums, and into the Record."""
        steps, self._pending = self._pending, []
        if not steps:
            return
        losses = _numbers([step.loss for step in steps])
        for step, self.loss in zip(steps, losses, strict=True):
            self.write(
                "step",
                step=step.number,
                epoch=step.epoch,
                loss=self.loss,
                learning_rate=step.rate,
                samples=len(step.targets),
            )
            if not math.isfinite(self.loss):
                self.diverged = step.number
                return
        for _, group in groupby(steps, key=lambda step: step.outputs.shape):
            same = list(group)
            self._sums.add(
                losses[: len(same)],
                torch.stack([step.outputs for step in same]),
                torch.stack([step.targets for step in same]),
            )
            losses = losses[len(same) :]
        if clock.now() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def epoch(self, **fields: Any) -> None:
        """Write the end of an epoch."""
        self.epochs.append({"event": "epoch", **fields})
        self.write("epoch", **fields)

    def flush(self, *, durable: bool = False) -> int:
        """Hand the Record to the system, or to the disk; return its length in bytes."""
        self._flushed = clock.now()
        if self._record is None or self._path is None:
            return 0
        with disk_errors(self._path):
            return self._record.flush(durable=durable)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._record is None or self._path is None:
            return
        if error is None:
            with disk_errors(self._path):
                self._record.close()
        else:
            with suppress(OSError):  # the disk may be what went wrong
                self._record.close()


class Progress:
    """The bar of a run: steps done, loss, validation metric, samples per second."""

    def __init__(self, bar: Bar, total: int, metric: str) -> None:
        self._bar = bar
        self._total = total
        self._metric = metric
        self._began = clock.now()
        self._samples = 0
        self._validation: float | None = None

    def trained(self, samples: int) -> None:
        """Count samples that were trained on."""
        self._samples += samples

    def validated(self, values: Mapping[str, float]) -> None:
        """Take in the latest validation."""
        self._validation = values.get(self._metric)

    def show(self, progress: float, loss: float) -> None:
        """Move the bar. It goes by the progress, since an amended plan has another end."""
        facts = {"loss": f"{loss:.4f}"}
        if self._validation is not None:
            facts[self._metric] = f"{self._validation:.4f}"
        seconds = max(clock.now() - self._began, 1e-9)
        facts["samples/s"] = f"{self._samples / seconds:,.0f}"
        self._bar.update(round(progress * self._total), **facts)


def _numbers(values: list[Tensor]) -> list[float]:
    """Return many numbers on a device with one synchronisation."""
    if len(values) == 1 or values[0].device.type == "cpu":
        return [value.item() for value in values]
    fetched: list[float] = torch.stack(values).tolist()
    return fetched
