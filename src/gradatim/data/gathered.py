"""Every usable sample of a source, audited, before it is split: what all kinds of data have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np

from gradatim.data.audit import Audit, FeatureFacts
from gradatim.data.dataset import Part
from gradatim.errors import DataError, TooFewClassesError

if TYPE_CHECKING:
    import polars as pl

    from gradatim.data.columns import Column
    from gradatim.data.decode import Policy
    from gradatim.data.larger import Larger
    from gradatim.data.layout import Layout
    from gradatim.data.vocabulary import Unit

Labelled = Literal["classification", "regression"]
Task = Literal["classification", "regression", "next-token"]
MIXED = 8
"""At most this many names are listed in a message."""


@dataclass(frozen=True)
class Gathered:
    """Every usable sample of a source, before it is split.

    Attributes:
        name: of the data set.
        kind: what one sample is.
        targets: ``N`` class indices (int64) or values (float32); of one long text ``N x length``
            code points, those after each of the inputs.
        classes: names of the classes; empty for regression.
        names: ``N``, where each sample comes from.
        groups: ``N`` int64; equal samples share a number.
        parts: ``N`` objects, each a part or None.
        audit: what is in the source and what is wrong with it.
        key: fingerprint of the content.
        inputs: stored images, vectors or series, or ``N x length`` code points of one long text;
            None for tables and texts, whose features and tokens are learnt later.
        frame: the rows of a table.
        columns: what the columns of a table are.
        policy: what images were fitted to.
        texts: ``N``, of a table of texts.
        text_column: of this table.
        tokens: what the texts are cut into.
        most_tokens: size of the vocabulary, at most.
        length: tokens of a text, at most.
        stream: whether the samples are the windows of one long text, in their order.
        layout: the columns of a table of series.
        pixel_range: the values of the source that became 0 and 255.
        features: names of a vector's features.
        target: name of what is predicted.
        unit: of a regression target.
        choices: keys of the recipe that were left open -> (value, reason).
        larger: stored images at a larger side; None where they come from no files.
    """

    name: str
    kind: Literal["image", "vector", "table", "sequence", "text"]
    targets: np.ndarray
    classes: tuple[str, ...]
    names: Sequence[str]
    groups: np.ndarray
    parts: np.ndarray
    audit: Audit
    key: str
    inputs: np.ndarray | None = None
    frame: pl.DataFrame | None = None
    columns: tuple[Column, ...] = ()
    policy: Policy | None = None
    texts: Sequence[str] | None = None
    text_column: str = ""
    tokens: Unit = "characters"
    most_tokens: int | None = None
    length: int = 0
    stream: bool = False
    layout: Layout | None = None
    pixel_range: tuple[float, float] = (0.0, 255.0)
    features: tuple[str, ...] = ()
    target: str = ""
    unit: str = ""
    choices: Mapping[str, tuple[object, str]] = field(default_factory=dict)
    larger: Larger | None = None

    @property
    def task(self) -> Task:
        """What is learnt."""
        if self.stream:
            return "next-token"
        return "classification" if self.classes else "regression"


def digests(rows: np.ndarray) -> list[bytes]:
    """Return one short hash a row; equal rows have equal hashes."""
    return [blake2b(row.tobytes(), digest_size=16).digest() for row in rows]


def group_numbers(hashes: Sequence[bytes]) -> np.ndarray:
    """Return ``N`` int64; equal hashes share a number."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(hash_, len(numbers)) for hash_ in hashes], dtype=np.int64)


def fingerprint(*contents: bytes | np.ndarray | str) -> str:
    """Return a fingerprint of contents in their order."""
    state = blake2b(digest_size=16)
    for content in contents:
        piece = content.encode() if isinstance(content, str) else content
        if isinstance(piece, np.ndarray):
            state.update(f"{piece.dtype} {piece.shape} ".encode())
            for start in range(0, len(piece), 4096):
                state.update(np.ascontiguousarray(piece[start : start + 4096]).tobytes())
        else:
            state.update(f"{len(piece)} ".encode() + piece)
    return state.hexdigest()


def row_names(parts: Iterable[Part | None]) -> list[str]:
    """Return a name a row: its part, if it has one, and its number there, from 1."""
    counts: dict[str, int] = {}
    names = []
    for part in parts:
        place = part or "row"
        counts[place] = counts.get(place, 0) + 1
        names.append(f"{place} {counts[place]}")
    return names


def check_targets(name: str, targets: np.ndarray, classes: Sequence[str]) -> None:
    """Refuse targets from which nothing can be learnt.

    Raises:
        TooFewClassesError: fewer than two classes have samples.
        DataError: all values are equal.
    """
    if classes:
        present = np.unique(targets)
        if len(present) < 2:
            raise TooFewClassesError(
                f"all samples have one class ({classes[present[0]]}): nothing to tell apart",
                given=name,
                next_step="add samples of another class",
            )
    elif np.ptp(targets) == 0:
        raise DataError(
            f"all samples have the same value ({targets[0]:g}): nothing to learn",
            given=name,
            next_step="choose another target",
        )


def value_facts(
    name: str, values: np.ndarray, kind: str = "number", note: str = ""
) -> FeatureFacts:
    """Summarise numbers, NaN being missing."""
    present = values[np.isfinite(values)].astype(np.float64)
    facts = FeatureFacts(name, kind, len(values) - len(present), len(np.unique(present)), note=note)
    if len(present) == 0:
        return facts
    return FeatureFacts(
        name,
        kind,
        facts.missing,
        facts.distinct,
        float(present.mean()),
        float(present.std()),
        float(present.min()),
        float(present.max()),
        note=note,
    )


def counted_parts(
    targets: np.ndarray, classes: Sequence[str], parts: np.ndarray
) -> tuple[list[str], list[Part | None], tuple[str, ...]]:
    """Return labels, parts and columns as the audit counts them; regression counts ``samples``."""
    labels = [classes[index] for index in targets] if classes else ["samples"] * len(targets)
    return labels, list(parts), tuple(classes) or ("samples",)


def sentence(text: str) -> str:
    """Return a note as a sentence."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def listed(names: Sequence[str]) -> str:
    """Return the names as text, the first few of many."""
    more = f" and {len(names) - MIXED:,} more" if len(names) > MIXED else ""
    return ", ".join(names[:MIXED]) + more
