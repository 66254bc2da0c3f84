"""What the room ``data`` hands to the rest of the house."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradatim.core.spec import Spec

if TYPE_CHECKING:
    from gradatim.data.audit import Audit
    from gradatim.data.larger import Larger
    from gradatim.data.preprocessing import Preprocessing

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Which sample belongs to which part: sorted indices into the data set.

    ``origin`` says in words where the parts come from, e.g. ``folders train, test; validation
    drawn with seed 0``.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    origin: str = ""

    def part(self, name: Part) -> np.ndarray:
        """Return the indices of one part."""
        indices: np.ndarray = getattr(self, name)
        return indices

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"origin": self.origin} | {name: self.part(name).tolist() for name in PARTS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Split:
        """Read what ``to_dict`` wrote."""
        parts = {name: np.asarray(values[name], dtype=np.int64) for name in PARTS}
        return cls(**parts, origin=values["origin"])


@dataclass(frozen=True)
class Prepared:
    """A data set, ready to be learnt from; a map-style data set of ``(input, target)``.

    Attributes:
        spec: what a model gets and answers.
        inputs: images as ``N x H x W x C`` uint8 (memory-mapped), vectors as ``N x D`` float32
            (not yet standardised; missing values filled), series as ``N x steps x F`` float32
            (filled up with steps of NaN), texts as ``N x steps`` int32 tokens (filled up with 0).
        targets: class indices (int64) or values in their own unit (float32), ``N``; for the task
            ``next-token`` the token after each, ``N x steps`` int64.
        names: where each sample comes from: a path relative to the source, or ``row 17``.
        split: the parts.
        preprocessing: turns a raw input into a model input; kept in the package.
        audit: what is in the data and what is wrong with it.
        key: fingerprint of content and policy; a resumed run refuses other data.
        larger: the images at a larger side, for resized crops; None where there are no files.
    """

    spec: Spec
    inputs: np.ndarray
    targets: np.ndarray
    names: Sequence[str]
    split: Split
    preprocessing: Preprocessing
    audit: Audit
    key: str
    larger: Larger | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        """Return the model input (as ``spec.shape``) and the target of one sample."""
        inputs = self.preprocessing.normalise(self.inputs[index : index + 1])
        return inputs[0], self.targets[index]
