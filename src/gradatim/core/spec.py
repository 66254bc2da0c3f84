"""What enters and leaves a model."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Task = Literal["classification", "regression", "next-token"]
Kind = Literal["image", "vector", "sequence", "text"]


@dataclass(frozen=True)
class Spec:
    """What enters and leaves a model, without the batch axis.

    Attributes:
        task: what is learnt.
        kind: what one sample is.
        shape: shape of one model input: ``(channels, height, width)`` for an image,
            ``(features,)`` for a vector, ``(steps, features)`` for a sequence (``steps`` is the
            longest), ``(steps,)`` for a text of token indices.
        classes: names of the classes in the order of the model's outputs; empty for regression.
        features: names of the vector's features, in order; empty where they have none.
        target: name of what is predicted, e.g. the table's column.
        unit: unit of a regression target, empty when unknown.
        vocabulary: number of distinct tokens of a text; 0 otherwise.
    """

    task: Task
    kind: Kind
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    target: str = ""
    unit: str = ""
    vocabulary: int = 0

    def __post_init__(self) -> None:
        if self.task == "classification" and not self.classes:
            raise ValueError("a classification needs the names of its classes")
        if any(size < 1 for size in self.shape):
            raise ValueError(f"every size of the input must be at least 1, got {self.shape}")

    @property
    def outputs(self) -> int:
        """Number of values the model answers per sample: one score a class (or token), or 1."""
        if self.task == "classification":
            return len(self.classes)
        return self.vocabulary if self.task == "next-token" else 1

    @property
    def size(self) -> int:
        """Number of values of one input."""
        return math.prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Spec:
        """Read what ``to_dict`` wrote."""
        lists = ("shape", "classes", "features")
        read: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in values.items()}
        return cls(**read)

    def with_shape(self, *shape: int) -> Spec:
        """Return the same spec with another input shape."""
        return replace(self, shape=shape)
