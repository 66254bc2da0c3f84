"""Photos stored once more at a larger side, which training takes resized crops from.

A crop of 35 % of the area has 132 pixels of detail where 224 are wanted: enlarged, it is blurred.
So the same files are stored a second time, at the side at which the smallest crop still has as many
pixels as the result, 379 for 224, and crops are shrunk. Only the batches of training see them; what
is measured, predicted and served is read from the ordinary store, whose pixels stay as they are.

A JPEG may be decoded at a fraction of its size down to 512 pixels here too, once as many as are
wanted and not twice: a crop is resized again anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradatim.core.recipe import DataRecipe, Recipe
from gradatim.core.talk import SILENCE, Talk
from gradatim.data.augment import SMALLEST_AREA, Augmentation
from gradatim.data.decode import Policy
from gradatim.data.order import choose_order
from gradatim.data.sizes import LARGEST_SIZE
from gradatim.data.store import check_space, free_bytes, is_stored, open_or_build
from gradatim.errors import DataError, UsageError, ValueRefusedError

if TYPE_CHECKING:
    from gradatim.data.dataset import Prepared

LEAST_GAIN = 1.1
"""A side that is not larger than the ordinary one by a tenth is not worth a store of its own."""

ROOM = 0.5
"""Share of the free disk that larger pictures may take unasked."""

SPARE = 1
"""Times as many pixels as are wanted that decoding at a fraction leaves; see ``Policy``."""


@dataclass(frozen=True)
class Larger:
    """The files behind stored pictures, to be stored again at a larger side.

    Attributes:
        files: all of the source.
        root: the folder under which the hashes of files are remembered.
        source: name of the data set.
        cache: the cache folder.
        policy: what the stored pictures were fitted to.
        content: fingerprint of all files, ``Facts.key``.
        kept: rows of the files whose pictures are stored.
        middle: median of the shorter (``crop``) or longer (``letterbox``) sides of the pictures.
        talk: where progress goes.
    """

    files: Sequence[Path]
    root: Path
    source: str
    cache: Path
    policy: Policy
    content: str
    kept: np.ndarray
    middle: int
    talk: Talk = SILENCE
    _opened: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def at(self, side: int) -> np.ndarray:
        """Return the pictures at this side, ``K x side x side x channels`` uint8, memory-mapped.

        They are stored first where they are not there yet. A row is the same picture as that of the
        ordinary store.

        Raises:
            DataError: the files are no longer those of the ordinary store.
            DiskError: the cache cannot be written.
        """
        if side not in self._opened:
            policy = self._policy(side)
            if not is_stored(self.cache, self.content, policy):
                self.talk.say(f"crops are taken from larger photos, stored once: {side} pixels")
            store = open_or_build(
                self.files, self.root, self.source, lambda *_: policy, self.cache, self.talk
            )
            same = store.facts.key == self.content
            if not same or not np.array_equal(store.facts.kept, self.kept):
                raise DataError(
                    "the files are not those that were read a moment ago",
                    given=self.root,
                    next_step="run the same command again; if that does not help, set "
                    f"data.crop_from={self.policy.size}",
                )
            self._opened[side] = store.pixels
        return self._opened[side]

    def bytes_at(self, side: int) -> int:
        """Return the size of all pictures at this side."""
        return len(self.kept) * side**2 * self.policy.channels

    def choose(self) -> tuple[int, str]:
        """Choose the side that resized crops are taken from, and say why."""
        size, which = self.policy.size, "shorter" if self.policy.shape == "crop" else "longer"
        wanted = math.ceil(size / math.sqrt(SMALLEST_AREA))
        side = min(wanted, self.middle, LARGEST_SIZE)
        limited = f"half of the pictures have at most {self.middle} pixels on the {which} side"
        if self.middle > LARGEST_SIZE:
            limited = f"pictures are stored at {LARGEST_SIZE} pixels at most"
        if side < LEAST_GAIN * size:
            return size, f"{limited}: no more detail"
        gibibytes = self.bytes_at(side) / 2**30
        if not is_stored(self.cache, self.content, self._policy(side)):
            free = free_bytes(self.cache)
            if self.bytes_at(side) > ROOM * free:
                return size, (
                    f"pictures of {side} pixels would take {gibibytes:,.1f} of the "
                    f"{free / 2**30:,.1f} GiB that are free on the disk"
                )
        if side < wanted:
            return side, limited
        share = f"{SMALLEST_AREA:.0%}".replace("%", " %")
        return side, f"so the smallest crop, {share} of a picture, has the detail of {size} pixels"

    def check(self, data: DataRecipe) -> None:
        """Refuse a side that crops cannot be taken from.

        Raises:
            ValueRefusedError: it is out of range.
            UsageError: another crop is asked for.
        """
        side, size = data.crop_from, self.policy.size
        if side is None:
            return
        _check_crop(data)
        if not size <= side <= LARGEST_SIZE:
            raise ValueRefusedError(
                "data.crop_from is out of range",
                given=side,
                allowed=f"{size} (data.size: crops of the pictures as they are) ... {LARGEST_SIZE} "
                "pixels",
            )

    def check_room(self, side: int) -> None:
        """Refuse a side at which the pictures do not fit on the disk.

        Raises:
            DiskError: they do not.
        """
        size = self.policy.size
        if side > size and not is_stored(self.cache, self.content, self._policy(side)):
            instead = f"take crops of smaller pictures with --set data.crop_from={size}"
            check_space(self.cache, self.bytes_at(side), instead)

    def _policy(self, side: int) -> Policy:
        return replace(self.policy, size=side, spare=SPARE)


def check_without_files(name: str, size: int, data: DataRecipe) -> None:
    """Refuse a larger side for images that are no files.

    Raises:
        UsageError: one is asked for, or another crop.
    """
    if data.crop_from is None:
        return
    _check_crop(data)
    if data.crop_from != size:
        raise UsageError(
            f"larger pictures are read from image files; {name} is one array",
            given=f"data.crop_from={data.crop_from}",
            allowed=f"{size}, as data.size",
            next_step="leave data.crop_from out",
        )


def _check_crop(data: DataRecipe) -> None:
    if data.crop not in (None, "resized"):
        raise UsageError(
            "data.crop_from is the side that resized crops are taken from; another crop is set",
            given=f"data.crop={data.crop}",
            next_step="leave data.crop_from out, or set data.crop=resized",
        )


def imply(recipe: Recipe) -> Recipe:
    """Return the recipe with resized crops, where it says what they are taken from."""
    if recipe.data.crop_from is None:
        return recipe
    reason = "data.crop_from says what such crops are taken from"
    return recipe.filled({"data.crop": "resized"}, reason)


def settle(recipe: Recipe, prepared: Prepared) -> Recipe:
    """Return the recipe with the side chosen that resized crops are taken from.

    Where larger pictures do not fit into memory the order of the samples, too, if it was chosen.

    Raises:
        DiskError: there is no room for pictures of the side that the recipe names.
    """
    if prepared.spec.kind != "image" or recipe.data.crop != "resized":
        return recipe
    if recipe.data.crop_from is not None:
        if prepared.larger is not None:
            prepared.larger.check_room(recipe.data.crop_from)
        return recipe
    if prepared.larger is None:
        reason = "the source has no files that could be read at a larger size"
        return recipe.filled({"data.crop_from": prepared.spec.shape[1]}, reason)
    side, reason = prepared.larger.choose()
    recipe = recipe.filled({"data.crop_from": side}, reason)
    if "data.order" in recipe.reasons:
        order, reason = choose_order(prepared.larger.bytes_at(side))
        recipe = recipe.with_values({"data.order": order}, reason)
    return recipe


def seen_in_training(prepared: Prepared, augmentation: Augmentation) -> np.ndarray:
    """Return the stored images that batches with this augmentation are made of.

    Raises:
        UsageError: larger ones are asked for, and there are no files.
        DataError, DiskError: they cannot be stored.
    """
    side = augmentation.crop_from
    if augmentation.crop != "resized" or side in (0, prepared.inputs.shape[1]):
        return prepared.inputs
    if prepared.larger is None:
        raise UsageError(
            "these images come from no files, so there are no larger ones to take crops from",
            given=f"crop_from={side}",
            allowed=str(prepared.inputs.shape[1]),
        )
    return prepared.larger.at(side)
