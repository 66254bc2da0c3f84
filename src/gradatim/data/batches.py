"""Batches: samples gathered, augmented and normalised as whole arrays.

The order is a pure function of (seed, epoch). Images are gathered from the memory map and augmented
as bytes. Where this takes long it runs ahead of the training, on one thread, and on more where it
comes too late and there are cores for it; NumPy does it (and for resized crops a kernel of
PyTorch's), since it releases the interpreter and starts no threads of its own. The bytes become
floats where they are used, by PyTorch, whose threads are there already. Vectors are normalised once
and stay in memory. Small batches are made several at a time: most of what one costs does not depend
on its size.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gradatim.core.cores import cores
from gradatim.data.ahead import ahead, in_time
from gradatim.data.augment import Augmentation, augment, erase
from gradatim.data.dataset import PARTS, Part, Prepared
from gradatim.data.larger import seen_in_training
from gradatim.data.mixing import mix
from gradatim.data.order import Blocks, read_ahead
from gradatim.data.padded import by_length, lengths_of
from gradatim.data.randomness import Draws, permutation
from gradatim.errors import UnknownNameError, ValueRefusedError

RESIDENT_BYTES = 2**30
"""Vectors up to this size are normalised once and kept; larger sets are normalised by the batch."""

ALIGNMENT = 64
"""Inputs begin at a multiple of this many bytes, as PyTorch's own memory does: matrix products may
round differently on other beginnings, and NumPy's memory begins anywhere."""

INLINE_BYTES = 2**15
"""Batches of images up to this size are made where they are used: a thread costs more."""

AT_ONCE_BYTES = 2**21
"""Batches are made so many at a time that they have at most this size, but at least one. Between
two steps, which leave nothing of it in the processor's caches, every operation of NumPy begins by
fetching its own code: for LeNet half of what a batch costs."""


class Batch(NamedTuple):
    """One batch of B samples.

    Attributes:
        inputs: ``B x spec.shape`` float32; series and texts (int64 tokens) have the length of the
            longest in the batch.
        targets: ``B`` int64 class indices, ``B`` float32 standardised values, or, mixed, ``B x K``
            float32 shares of the classes.
        indices: ``B`` int64: which samples of the data set these are.
    """

    inputs: Tensor
    targets: Tensor
    indices: Tensor


class _Made(NamedTuple):
    """Neighbouring batches that were made at once: of N samples, in the order of the epoch.

    Attributes:
        inputs: as the store gathers them.
        targets: ``N``, or ``N x K``.
        indices: ``N``.
        first: position of the first sample in the order.
    """

    inputs: np.ndarray
    targets: np.ndarray
    indices: np.ndarray
    first: int


class Batches:
    """The batches of one part of a data set, epoch after epoch.

    The order of an epoch is f(seed, epoch), the augmentation of a sample f(seed, epoch, position):
    neither depends on batch size, threads or other random numbers. Samples of different length are
    then put together with others of like length (see ``padded``), which depends on the batch size.
    Iterating gives epoch 0.

    Args:
        prepared: the data set.
        part: ``train``, ``validation`` or ``test``, or indices into the data set.
        batch_size: samples in a batch; the last of an epoch may be smaller. With ``shuffle`` (for
            training) a single sample left over joins the batch before: batch normalisation cannot
            be trained on one sample.
        seed: of order and augmentation.
        augmentation: what is done to the samples; nothing when None.
        shuffle: whether each epoch has a random order.
        device: where the tensors are put.
        layout: strides of image batches: ``contiguous`` (``N C H W``) or ``channels-last``.
        drop_last: whether a smaller last batch is left out.
        order: of an epoch: ``shuffled``, or in ``blocks`` for stores larger than memory (see
            ``data/order.py``).
        prefetch: how many batches may be prepared ahead of their use; the bits do not depend on it.

    Attributes:
        samples: number of samples in the part.
        indices: of these samples in the data set.
        batch_size: as given.

    Raises:
        UnknownNameError: no such part.
        ValueRefusedError: the batch size is below 1 or (with ``drop_last``) leaves no batch; or an
            augmentation of images is asked for data that are none.
        UsageError, DataError, DiskError: crops are to be taken from larger pictures, and there are
            none or they cannot be stored.
    """

    def __init__(
        self,
        prepared: Prepared,
        part: Part | np.ndarray,
        *,
        batch_size: int,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        shuffle: bool,
        device: str | torch.device = "cpu",
        layout: Literal["contiguous", "channels-last"] = "contiguous",
        drop_last: bool = False,
        order: Literal["shuffled", "blocks"] = "shuffled",
        prefetch: int = 2,
    ) -> None:
        if isinstance(part, str) and part not in PARTS:
            raise UnknownNameError(
                "a data set has no such part", given=part, allowed=[str(name) for name in PARTS]
            )
        self.indices = prepared.split.part(part) if isinstance(part, str) else np.asarray(part)
        self.samples = len(self.indices)
        self.batch_size = batch_size
        self._drop_last = drop_last
        self._seed = seed
        self._shuffle = shuffle
        self._in_blocks = shuffle and order == "blocks"
        self._augmentation = augmentation or Augmentation()
        self._device = torch.device(device)
        self._images = prepared.spec.kind == "image"
        self._check(prepared)
        self._store: _Images | _Vectors | _Padded
        if self._images:
            self._store = _Images(prepared, self.indices, self._augmentation, layout, self._device)
        elif prepared.spec.kind in ("sequence", "text"):
            self._store = _Padded(prepared, self.indices)
        else:
            self._store = _Vectors(prepared, self.indices)
        self._targets = _targets(prepared, self.indices)
        self._classes = len(prepared.spec.classes)
        inline = batch_size * prepared.spec.size <= INLINE_BYTES or not self._images
        self._prefetch = 0 if inline else prefetch
        self._at_once = 1
        if not self._in_blocks and not isinstance(self._store, _Padded):
            batch = max(1, self.batch_size * self._store.bytes_of_a_sample)
            self._at_once = max(1, AT_ONCE_BYTES // batch)

    def _check(self, prepared: Prepared) -> None:
        if self.batch_size < 1:
            raise ValueRefusedError(
                "data.batch_size is out of range", given=self.batch_size, allowed="1 or more"
            )
        if self._drop_last and 0 < self.samples < self.batch_size:
            raise ValueRefusedError(
                "no batch is left when a smaller last one is dropped",
                given=f"batch size {self.batch_size}",
                allowed=f"1 to {self.samples}, the number of samples",
            )
        if not self._images and self._augmentation.of_images:
            raise ValueRefusedError(
                f"this augmentation is for images; these samples are {prepared.spec.kind}s",
                given=", ".join(f"data.{name}" for name in self._augmentation.of_images),
                next_step="leave it out; mix-up is for all kinds of samples",
            )
        if self._augmentation.mixes and prepared.spec.kind in ("sequence", "text"):
            raise ValueRefusedError(
                f"{prepared.spec.kind}s of different length cannot be mixed",
                given="data.mixup" if self._augmentation.mixup else "data.cutmix",
                next_step="leave it out",
            )

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(self.samples, self.batch_size)
        joined = rest == 1 and whole > 0 and self._shuffle
        return whole if self._drop_last or joined else whole + (rest > 0)

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch.

        Args:
            number: of the epoch.
            start: the first batch wanted; those before it cost nothing.
        """
        make: Callable[[int], _Made]
        prepared: Callable[..., Generator[_Made, None, None]] = in_time
        if self._in_blocks and isinstance(self._store, _Images):
            prepared = ahead  # of the disk
            stored = self._store.bytes_of_a_sample
            blocks = Blocks.of(self.indices, stored, self._seed, number)
            make = partial(self._make_in_blocks, number, blocks, start)
        else:
            make = partial(self._make, number, self._order(number))
        wanted = range(start // self._at_once, -(-len(self) // self._at_once))
        if self._prefetch and len(wanted) > 1:
            made = prepared(make, wanted, self._prefetch, max(1, cores() - 1))
        else:
            made = (make(some) for some in wanted)
        with closing(made):
            for some, batches in zip(wanted, made, strict=True):
                skipped = start - some * self._at_once
                yield from (
                    self._batch(batches, *ends) for ends in self._ends(some)[max(0, skipped) :]
                )

    def _order(self, number: int) -> np.ndarray:
        if not self._shuffle:
            return np.arange(self.samples)
        order = permutation(self._seed, number, self.samples)
        if isinstance(self._store, _Padded) and self._store.differ:
            return by_length(order, self._store.lengths, self.batch_size, self._seed, number)
        return order

    def _make_in_blocks(self, epoch: int, blocks: Blocks, start: int, number: int) -> _Made:
        first = number * self.batch_size
        soon = blocks.next_pool(first, self.batch_size, begins=number == start)
        assert isinstance(self._store, _Images)
        self._store.read_ahead(soon)
        return self._make(epoch, blocks.order, number)

    def _ends(self, some: int) -> list[tuple[int, int]]:
        """Return where the batches that are made together begin and end in the order."""
        last = len(self) - 1
        numbers = range(some * self._at_once, min((some + 1) * self._at_once, last + 1))
        size = self.batch_size
        return [
            (
                number * size,
                self.samples if number == last and not self._drop_last else (number + 1) * size,
            )
            for number in numbers
        ]

    def _make(self, epoch: int, order: np.ndarray, some: int) -> _Made:
        """Gather the batches of one turn, and do all that needs random numbers."""
        ends = self._ends(some)
        first, end = ends[0][0], ends[-1][1]
        count = end - first
        gathered = count + self._augmentation.mixes  # a mixed sample takes from the one after it
        positions = order.take(np.arange(first, first + gathered), mode="wrap")
        draws = Draws(self._seed, epoch, first, gathered, self.samples)
        inputs, targets = self._store.gather(positions, draws), self._targets.take(positions)
        if self._augmentation.mixes:
            shares = np.eye(self._classes, dtype=np.float32)[targets] if self._classes else targets
            inputs, targets = mix(inputs, shares, self._augmentation, draws)
        return _Made(inputs, targets, self.indices.take(positions[:count]), first)

    def _batch(self, made: _Made, first: int, end: int) -> Batch:
        """Cut one batch out of those that were made together, and make it tensors."""
        part = slice(first - made.first, end - made.first)
        return Batch(
            self._store.tensor(made.inputs[part]).to(self._device),
            torch.from_numpy(made.targets[part]).to(self._device),
            torch.from_numpy(made.indices[part]),
        )


class _Images:
    """Images as bytes, in memory or memory-mapped, that become floats by the batch."""

    def __init__(
        self,
        prepared: Prepared,
        indices: np.ndarray,
        augmentation: Augmentation,
        layout: Literal["contiguous", "channels-last"],
        device: torch.device,
    ) -> None:
        self._pixels_NHWC = np.ascontiguousarray(seen_in_training(prepared, augmentation))
        self._indices = indices
        self._augmentation = augmentation
        self._layout = layout
        self._device = device
        # (x / 255 - mean) / std as one product and one sum, written out for a whole image
        mean, std = np.asarray(prepared.preprocessing.mean), np.asarray(prepared.preprocessing.std)
        _, height, width, _ = prepared.inputs.shape
        self._size = height, width
        self._scale = np.tile(1 / (255 * std), height * width).astype(np.float32)
        self._offset = np.tile(-mean / std, height * width).astype(np.float32)
        self._factors = tuple(torch.from_numpy(v).to(device) for v in (self._scale, self._offset))
        # What erases and mixes samples takes them normalised.
        self._early = augmentation.erasing > 0 or augmentation.mixes

    def gather(self, positions: np.ndarray, draws: Draws) -> np.ndarray:
        """Return augmented images, ``B x H x W x C``: uint8 or float32 from 0 to 255.

        Normalised, float32, where they are to be erased or mixed.
        """
        pixels = self._pixels_NHWC.take(self._indices.take(positions), axis=0)
        pixels = augment(pixels, self._augmentation, draws, self._size)
        if not self._early:
            return pixels
        values = _aligned(len(pixels), pixels[0].size)
        np.copyto(values, pixels.reshape(values.shape))
        values *= self._scale
        values += self._offset
        images = values.reshape(pixels.shape)
        if self._augmentation.erasing > 0:
            erase(images, self._augmentation.erasing, draws)
        return images

    @property
    def bytes_of_a_sample(self) -> int:
        """As it is stored."""
        return self._pixels_NHWC[:1].nbytes

    def read_ahead(self, positions: np.ndarray) -> None:
        """Let the system read these images into its page cache."""
        read_ahead(self._pixels_NHWC, self._indices.take(positions))

    def tensor(self, images_NHWC: np.ndarray) -> Tensor:
        """Return them normalised, ``B x C x H x W``; as channels-last nothing is moved."""
        shape = images_NHWC.shape
        if self._early:
            values = _tensor(images_NHWC).to(self._device)
        else:
            pixels = torch.from_numpy(images_NHWC.reshape(len(images_NHWC), -1)).to(self._device)
            values = pixels.to(torch.float32, copy=True)
            values.mul_(self._factors[0]).add_(self._factors[1])
        images = values.view(shape).permute(0, 3, 1, 2)
        if self._layout == "channels-last":
            return images
        return images.clone(memory_format=torch.contiguous_format)


class _Vectors:
    """Vectors, normalised once where they are small."""

    def __init__(self, prepared: Prepared, indices: np.ndarray) -> None:
        self._normalise = prepared.preprocessing.normalise
        self._inputs = prepared.inputs
        self._indices = indices
        self._resident: Tensor | None = None
        self.bytes_of_a_sample = prepared.inputs[:1].nbytes
        if self.bytes_of_a_sample * len(indices) <= RESIDENT_BYTES:
            self._resident = torch.from_numpy(self._normalise(prepared.inputs[indices]))

    def gather(self, positions: np.ndarray, draws: Draws) -> np.ndarray:
        """Return normalised vectors, ``B x D`` float32; nothing is drawn for them."""
        if self._resident is None:
            return self._normalise(self._inputs[self._indices.take(positions)])
        vectors = self._resident.index_select(0, torch.from_numpy(positions))
        return vectors.numpy()

    def tensor(self, vectors: np.ndarray) -> Tensor:
        """Return them as they are."""
        return _tensor(vectors)


class _Padded:
    """Series or texts, filled up at their end; a batch is cut at its longest sample."""

    def __init__(self, prepared: Prepared, indices: np.ndarray) -> None:
        self._inputs = prepared.preprocessing.normalise(prepared.inputs[indices])
        self.lengths = lengths_of(self._inputs)
        self.differ = bool((self.lengths != self.lengths[:1]).any())

    def gather(self, positions: np.ndarray, draws: Draws) -> np.ndarray:
        """Return series ``B x T x F`` float32 or tokens ``B x T`` int64; nothing is drawn."""
        longest = int(self.lengths.take(positions).max())
        return self._inputs[positions, :longest]

    def tensor(self, samples: np.ndarray) -> Tensor:
        """Return them as they are."""
        return _tensor(samples) if samples.dtype == np.float32 else torch.from_numpy(samples)


def _aligned(*shape: int) -> np.ndarray:
    """Return an array of float32 in PyTorch's memory."""
    return torch.empty(shape).numpy()


def _tensor(values: np.ndarray) -> Tensor:
    """Return the array as a tensor, copied only where its memory begins elsewhere."""
    if values.ctypes.data % ALIGNMENT:
        moved = _aligned(*values.shape)
        np.copyto(moved, values)
        values = moved
    return torch.from_numpy(values)


def _targets(prepared: Prepared, indices: np.ndarray) -> np.ndarray:
    """Return what is learnt: class indices (int64) or standardised values (float32)."""
    targets: np.ndarray = prepared.targets[indices]
    if prepared.spec.task == "regression":
        return prepared.preprocessing.standardise(targets)
    return targets.astype(np.int64)
