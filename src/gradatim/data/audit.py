"""What is in the data and what is wrong with it: the data card as plain numbers.

An audit is filled by what reads the source (images: ``data/images.py``; arrays and tables:
``data/preparation.py``), kept as ``audit.json`` in the run folder and shown by ``data/card.py``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

IMBALANCE = 10.0
"""Largest class over smallest class from which on an audit warns."""


@dataclass(frozen=True)
class Rejection:
    """A file or row that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Treatment:
    """A change that every sample of one kind got, e.g. ``turned upright as its EXIF data says``."""

    treatment: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conflict:
    """Equal samples with different labels: ``names[i]`` is labelled ``labels[i]``."""

    names: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelError:
    """A label that is likely wrong; ``probability`` is that of the suggested class."""

    name: str
    given: str
    suggested: str
    probability: float


@dataclass(frozen=True)
class SizeFacts:
    """Sizes of the upright pictures in pixels; each range is (smallest, median, largest).

    Attributes:
        distinct: how many different sizes there are.
        width, height: ranges.
        aspect: range of longer over shorter side; 1 is a square.
        common: the most common sizes as (width, height, count), most common first.
    """

    distinct: int
    width: tuple[int, int, int]
    height: tuple[int, int, int]
    aspect: tuple[float, float, float]
    common: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class ChannelFacts:
    """One channel over all stored pixels of all used samples, in 0 ... 255."""

    name: str
    mean: float
    std: float
    min: float
    max: float


@dataclass(frozen=True)
class FeatureFacts:
    """One column of a table or one feature of vectors; what does not apply is None.

    Attributes:
        name: of the column.
        kind: ``number``, ``category``, ``yes-no``, or ``left out``.
        missing: how many samples have no value.
        distinct: how many different values there are.
        mean, std, min, max: of numbers, missing values left out.
        common: the most common values of a category with their counts.
        note: what was done with it, e.g. ``missing values filled with the median``.
    """

    name: str
    kind: str
    missing: int = 0
    distinct: int | None = None
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    common: tuple[tuple[str, int], ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Audit:
    """What is in a source and what is wrong with it.

    Attributes:
        source: name of the data set.
        kind: what one sample is.
        task: what can be learnt from it.
        samples: how many samples are used.
        found: how many samples the source offered (used and rejected).
        classes: names of the classes in the order of their indices; empty for regression.
        class_counts: part -> class -> used samples; the part is ``all`` where the source has none.
            For regression the only "class" of a part is ``samples``.
        target: the values to be predicted, for regression.
        features: columns or features; empty for images.
        sizes: of the pictures as found; None for other kinds.
        channels: of the pictures as stored.
        shape: what one stored sample is: ``(height, width, channels)``, ``(features,)``, ``(steps,
            features)``, or ``(tokens,)``.
        choices: what was decided from what was found -> the reason, e.g. ``data.size``.
        rejected: samples that cannot be used.
        unused: files that were never meant as samples (a README, hidden files).
        treated: what was changed on the way in.
        duplicates: groups of names of equal samples, whatever their labels.
        duplicates_across_parts: groups that lie in more than one part of the source.
        conflicts: equal samples with different labels.
        warnings: one sentence each.
        notes: what the source did, one sentence each.
        label_errors: likely wrong labels, the most likely first.
        seconds: how long the audit took; 0 when its result was remembered.
    """

    source: str
    kind: Literal["image", "vector", "table", "sequence", "text"]
    samples: int
    found: int
    task: Literal["classification", "regression", "next-token"] = "classification"
    classes: tuple[str, ...] = ()
    class_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    target: FeatureFacts | None = None
    features: tuple[FeatureFacts, ...] = ()
    sizes: SizeFacts | None = None
    channels: tuple[ChannelFacts, ...] = ()
    shape: tuple[int, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[Rejection, ...] = ()
    unused: tuple[Rejection, ...] = ()
    treated: tuple[Treatment, ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    duplicates_across_parts: int = 0
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    label_errors: tuple[LabelError, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Audit:
        """Read what ``to_dict`` wrote, or JSON made of it."""
        rows: dict[str, type] = {
            "features": FeatureFacts,
            "channels": ChannelFacts,
            "rejected": Rejection,
            "unused": Rejection,
            "treated": Treatment,
            "conflicts": Conflict,
            "label_errors": LabelError,
        }
        single: dict[str, type] = {"target": FeatureFacts, "sizes": SizeFacts}
        read: dict[str, Any] = {}
        for name, value in values.items():
            if name in rows:
                read[name] = tuple(rows[name](**_tuples(row)) for row in value)
            elif name in single:
                read[name] = None if value is None else single[name](**_tuples(value))
            else:
                read[name] = _tuple(value)
        return cls(**read)


def _tuple(value: Any) -> Any:
    """Turn the lists of JSON back into tuples."""
    return tuple(_tuple(item) for item in value) if isinstance(value, list | tuple) else value


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuple(value) for name, value in values.items()}


def printable(name: str | os.PathLike[str]) -> str:
    r"""Return a file name as text that every terminal, page and JSON file can hold.

    Bytes that are not UTF-8 become ``\xff``, control characters ``\n`` or ``\x1b``, and a backslash
    is doubled, so different names stay different. Markup is left alone: escaping it is up to
    whatever writes markup.
    """
    text = name.as_posix() if isinstance(name, Path) else os.fspath(name)
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_printable_character(character) for character in text)


def _printable_character(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that could not be decoded (surrogateescape)
        return f"\\x{code - 0xDC00:02x}"
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def duplicate_groups(digests: Sequence[bytes]) -> list[list[int]]:
    """Return the positions of equal digests, for each digest that occurs more than once."""
    positions: dict[bytes, list[int]] = {}
    for position, digest in enumerate(digests):
        positions.setdefault(digest, []).append(position)
    return [group for group in positions.values() if len(group) > 1]


def duplicate_facts(
    digests: Sequence[bytes],
    names: Sequence[str],
    labels: Sequence[str],
    parts: Sequence[str | None],
) -> dict[str, Any]:
    """Return the fields of an ``Audit`` that tell of equal samples.

    Args:
        digests: one a sample; equal samples have equal digests.
        names: one a sample.
        labels: one a sample.
        parts: one a sample; groups over more than one part are counted.
    """
    groups = duplicate_groups(digests)
    return {
        "duplicates": tuple(tuple(names[i] for i in group) for group in groups),
        "duplicates_across_parts": sum(len({parts[i] for i in group}) > 1 for group in groups),
        "conflicts": tuple(
            Conflict(tuple(names[i] for i in group), tuple(labels[i] for i in group))
            for group in groups
            if len({labels[i] for i in group}) > 1
        ),
    }


def count_classes(
    labels: Iterable[str], parts: Iterable[str | None], classes: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return part -> class -> samples with every class in every part, zeros included."""
    counted = Counter((part or "all", label) for part, label in zip(parts, labels, strict=True))
    order = ["train", "validation", "test", "all"]
    present = sorted({part for part, _ in counted}, key=order.index)
    return {part: {name: counted[part, name] for name in classes} for part in present}


def class_warnings(class_counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return what is odd about the class counts, one sentence each."""
    warnings = []
    for part, counts in class_counts.items():
        empty = [name for name, count in counts.items() if count == 0]
        where = "" if part == "all" else f" in the part {part}"
        if empty:
            warnings.append(f"No sample{where} of: {', '.join(empty)}.")
        filled = {name: count for name, count in counts.items() if count}
        if len(filled) < 2 or part not in ("train", "all"):
            continue
        largest, smallest = max(filled, key=filled.__getitem__), min(filled, key=filled.__getitem__)
        ratio = filled[largest] / filled[smallest]
        if ratio >= IMBALANCE:
            warnings.append(
                f"Imbalanced classes{where}: {largest} has {filled[largest]:,} samples, {smallest} "
                f"{filled[smallest]:,} ({ratio:.0f} times fewer); accuracy alone misleads."
            )
    return warnings
