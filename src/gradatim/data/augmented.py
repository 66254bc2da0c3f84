"""What training will see: samples beside the same samples as augmentation makes them."""

from __future__ import annotations

import numpy as np

from gradatim.core.page import Picture
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.card import drawn
from gradatim.data.dataset import Prepared

SHOWN = 8
"""Samples on the sheet, of as many different classes as there are."""
EPOCHS = 7
"""Passes that are shown of each."""


def sheet(prepared: Prepared, augmentation: Augmentation, seed: int) -> list[Picture]:
    """Return one strip a sample: as it is, then as the first passes of a training see it.

    The pictures come from the batches a training reads, through the same code; only the order of
    the samples, and so the draws of each, is another.

    Args:
        prepared: images.
        augmentation: what is done to them.
        seed: of the draws.
    """
    chosen = _spread(prepared)
    batches = Batches(
        prepared,
        chosen,
        batch_size=len(chosen),
        seed=seed,
        augmentation=augmentation,
        shuffle=False,
        prefetch=0,
    )
    originals = np.asarray(prepared.inputs[chosen])
    passes = [next(batches.epoch(epoch)) for epoch in range(EPOCHS)]
    columns = [_pixels(prepared, batch.inputs.numpy()) for batch in passes]
    strips = []
    for row, index in enumerate(chosen):
        caption = alternative = _named(prepared, int(index))
        if augmentation.mixes and prepared.spec.classes:
            own = int(prepared.targets[index])
            shares = [float(batch.targets.numpy()[row, own]) for batch in passes]
            caption += f"; its share after mixing {', '.join(f'{share:.2f}' for share in shares)}"
        alternative += f", as it is and in {EPOCHS} passes"
        laid = _beside(originals[row], [column[row] for column in columns])
        strips.append(drawn(laid, max(originals.shape[1:3]), alternative, caption))
    return strips


def _spread(prepared: Prepared) -> np.ndarray:
    """Return samples of the training part: one of each class in turn, or evenly spread."""
    train, targets = prepared.split.train, prepared.targets[prepared.split.train]
    count = min(SHOWN, len(train))
    if not prepared.spec.classes:
        return train[np.linspace(0, len(train) - 1, count).round().astype(np.int64)]
    turn = np.empty(len(train), np.int64)
    for name in np.unique(targets):
        members = np.flatnonzero(targets == name)
        turn[members] = np.arange(len(members))
    found: np.ndarray = train[np.lexsort((targets, turn))[:count]]
    return found


def _pixels(prepared: Prepared, inputs_NCHW: np.ndarray) -> np.ndarray:
    """Return normalised images as the pixels they stand for: ``N x H x W x C`` uint8."""
    mean, std = (np.asarray(value, np.float32) for value in
                 (prepared.preprocessing.mean, prepared.preprocessing.std))  # fmt: skip
    values = 255 * (inputs_NCHW.transpose(0, 2, 3, 1) * std + mean)
    pixels: np.ndarray = np.rint(values).clip(0, 255).astype(np.uint8)
    return pixels


def _beside(original: np.ndarray, augmented: list[np.ndarray]) -> np.ndarray:
    """Lay the original, a gap, and the augmented samples side by side: ``H x W' x C``."""
    height, width, channels = original.shape
    gap = np.full((height, max(1, width // 6), channels), 255, np.uint8)
    return np.concatenate([original, gap, *augmented], axis=1)


def _named(prepared: Prepared, index: int) -> str:
    if prepared.spec.classes:
        return prepared.spec.classes[int(prepared.targets[index])]
    return f"{prepared.spec.target or 'value'} {float(prepared.targets[index]):g}"
