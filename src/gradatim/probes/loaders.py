"""Data loaders: how they order samples, and which labels came with a batch."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import data

from gradatim.probes.forwards import Forward
from gradatim.probes.measure import tensors_in
from gradatim.probes.patches import Function, Patches
from gradatim.probes.places import place

if TYPE_CHECKING:
    from gradatim.probes.watcher import Watcher

MOST_PASSES = 400


class Loaders:
    """The loaders iterated so far, and the batch handed out last."""

    def __init__(self) -> None:
        self._made: weakref.WeakKeyDictionary[Any, tuple[str | None, int | None]] = (
            weakref.WeakKeyDictionary()
        )
        self._numbers: dict[int, int] = {}
        self._passes = 0
        self._batch: list[Tensor] = []

    def patch(self, patches: Patches, watcher: Watcher) -> None:
        """Watch where loaders are made, ``DataLoader.__iter__``, and what iterators hand out."""

        def around_init(original: Function) -> Function:
            def initialise(loader: Any, *arguments: Any, **options: Any) -> None:
                original(loader, *arguments, **options)
                watcher._look(self._new, loader)

            return initialise

        def around_iter(original: Function) -> Function:
            def iterate(loader: Any) -> Any:
                watcher._look(self._pass, loader, watcher)
                return original(loader)

            return iterate

        def around_next(original: Function) -> Function:
            def following(iterator: Any) -> Any:
                batch = original(iterator)
                if watcher.level and watcher.here():
                    self._batch = tensors_in(batch)
                return batch

            return following

        patches.replace(data.DataLoader, "__init__", around_init)
        patches.replace(data.DataLoader, "__iter__", around_iter)
        base = data.dataloader._BaseDataLoaderIter
        patches.replace(base, "__next__", around_next)

    def _new(self, loader: Any) -> None:
        self._made[loader] = place()

    def _pass(self, loader: Any, watcher: Watcher) -> None:
        self._passes += 1
        if self._passes > MOST_PASSES:
            return
        number = self._numbers.setdefault(id(loader), len(self._numbers))
        sampler = getattr(loader, "sampler", None)
        try:
            samples: int | None = len(loader.dataset)
        except TypeError:
            samples = None
        file, line = self._made.get(loader) or place()
        watcher._write(
            "loader",
            loader=number,
            step=watcher.step,
            sampler=type(sampler).__name__,
            batch_size=loader.batch_size,
            samples=samples,
            drop_last=loader.drop_last,
            workers=loader.num_workers,
            file=file,
            line=line,
        )

    def forget(self) -> None:
        """Keep no batch alive."""
        self._batch = []

    def target_of(self, forward: Forward) -> Tensor | None:
        """Return what the loader handed out together with the input of a pass."""
        if len(self._batch) != 2 or not forward.inputs:
            return None
        given, target = self._batch
        if given.data_ptr() != forward.inputs[0].data_ptr() or len(given) != len(target):
            return None
        return target

    def labels_of(self, forward: Forward) -> Tensor | None:
        """Return the class labels of a pass, where the loader handed them out."""
        target = self.target_of(forward)
        if target is None or target.dim() != 1 or target.dtype != torch.int64:
            return None
        return target
