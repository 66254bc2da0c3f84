"""Batches of one long text: parallel streams, so that a recurrent state can be carried on.

The text is cut into windows of equal length. With S streams, stream s goes through one stretch of
neighbouring windows, and batch t holds the t-th window of every stream: row s of a batch goes on
where row s of the batch before ended. Nothing is shuffled; every epoch is the same, so an epoch
can begin at any batch, given the state carried to it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from gradatim.data.batches import Batch
from gradatim.data.dataset import Part, Prepared
from gradatim.errors import ValueRefusedError


class Streams:
    """The batches of one part of a text.

    Args:
        prepared: the text in windows.
        part: ``train``, ``validation`` or ``test``, or sorted indices of windows.
        batch_size: streams; fewer where there are fewer windows.
        device: where the tensors are put.

    Attributes:
        samples: windows in the part.
        indices: of these windows.
        batch_size: streams.
        carries: True: a row goes on where that of the batch before ended. The last stream may end
            one batch or more before the others; the rows of the others stay the first ones.

    Raises:
        ValueRefusedError: the batch size is below 1.
    """

    carries = True

    def __init__(
        self,
        prepared: Prepared,
        part: Part | np.ndarray,
        *,
        batch_size: int,
        device: str | torch.device = "cpu",
    ) -> None:
        if batch_size < 1:
            raise ValueRefusedError(
                "data.batch_size is out of range", given=batch_size, allowed="1 or more"
            )
        self.indices = prepared.split.part(part) if isinstance(part, str) else np.asarray(part)
        self.samples = len(self.indices)
        self._steps = -(-self.samples // batch_size)  # windows of a stream
        self.batch_size = -(-self.samples // max(self._steps, 1))
        self._inputs, self._targets = prepared.inputs, prepared.targets
        self._device = torch.device(device)

    def __len__(self) -> int:
        """Return the number of batches in an epoch: the windows of the longest stream."""
        return self._steps

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches from ``start`` on; every epoch is the same."""
        for step in range(start, len(self)):
            chosen = self.indices[step :: self._steps]
            yield Batch(
                torch.from_numpy(self._inputs[chosen].astype(np.int64)).to(self._device),
                torch.from_numpy(self._targets[chosen].astype(np.int64)).to(self._device),
                torch.from_numpy(chosen),
            )
