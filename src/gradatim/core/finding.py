"""What was found wrong: name, place, evidence, cause and cure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Evidence:
    """One value beside its healthy range; a bound that does not exist is None."""

    name: str
    got: float | str | None
    healthy: tuple[float | None, float | None] = (None, None)
    unit: str = ""


@dataclass(frozen=True)
class Where:
    """The place of a finding, as far as it is known."""

    module: str | None = None
    parameter: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Cure:
    """What to do: in words, and as the change to code or recipe."""

    says: str
    change: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing found. ``name`` is kebab-case and for ever; ``because_of`` is the causal chain."""

    name: str
    level: Literal["alarm", "note"]
    says: str = ""
    where: Where = field(default_factory=Where)
    step: int | None = None
    evidence: Sequence[Evidence] = ()
    because_of: Sequence[str] = ()
    cures: Sequence[Cure] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: a number that is not finite as text, a bound as None."""
        plain = asdict(self)
        for item in plain["evidence"]:
            if isinstance(item["got"], float) and not math.isfinite(item["got"]):
                item["got"] = str(item["got"])
            item["healthy"] = [
                bound if bound is not None and math.isfinite(bound) else None
                for bound in item["healthy"]
            ]
        return plain
