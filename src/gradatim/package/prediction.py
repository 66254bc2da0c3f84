"""What a model says about one input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Prediction:
    """What a model says about one input, or why it could say nothing.

    Attributes:
        name: the path of an image, else empty.
        label, probability: the likeliest class and its probability; None for a regression.
        probabilities: of every class, likeliest first; empty for a regression.
        value: the predicted number in the target's own unit; None for a classification.
        unit: unit of the value, empty when unknown.
        prompt, text: what a text began with, and how the model continues it; else empty.
        error: why the input could not be read; empty when it could.
    """

    name: str = ""
    label: str | None = None
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    value: float | None = None
    unit: str = ""
    prompt: str = ""
    text: str = ""
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what is known as plain values for JSON, without what does not apply."""
        values = {
            "name": self.name,
            "label": self.label,
            "probability": self.probability,
            "probabilities": dict(self.probabilities),
            "value": self.value,
            "unit": self.unit,
            "prompt": self.prompt,
            "text": self.text,
            "error": self.error,
        }
        return {key: value for key, value in values.items() if value not in (None, "", {})}

    def __str__(self) -> str:
        start = f"{self.name}: " if self.name else ""
        if self.error:
            return f"{start}error: {self.error}"
        if self.text:
            return f"{start}{self.prompt}{self.text}"
        if self.label is not None:
            return f"{start}{self.label} ({self.probability:.1%})"
        return f"{start}{self.value:.6g} {self.unit}".rstrip()
