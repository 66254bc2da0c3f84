"""What a source hands to the audit: files, arrays, a table, series or a text, as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradatim.data.dataset import Part

if TYPE_CHECKING:
    import polars as pl

    from gradatim.data.layout import Layout


@dataclass(frozen=True)
class RawImages:
    """Image files, still to be decoded.

    Attributes:
        name: what the data set is called in reports.
        root: the folder that names of samples are relative to.
        files: one path a sample.
        labels: one a file: the name of its class, or a number as text for regression.
        parts: one a file: the part the source puts it in, None where it names none.
        unused: files already known not to be used, each with its reason.
        target: name of what is predicted, e.g. the column of labels.
        notes: what the source did that a reader must know, one sentence each.
    """

    name: str
    root: Path
    files: Sequence[Path]
    labels: Sequence[str]
    parts: Sequence[Part | None]
    unused: Sequence[tuple[str, str]] = ()
    target: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RawArrays:
    """Samples in one array, in memory or memory-mapped.

    Attributes:
        name: what the data set is called in reports.
        inputs: images as ``N x H x W`` or ``N x H x W x C`` uint8, or vectors as ``N x D`` floats.
        targets: ``N``; indices into ``classes``, or values when there are no classes (regression).
        classes: names of the classes in the order of their indices; empty for regression.
        parts: ``N`` objects, each a part or None; None where the source names no parts at all.
        features: names of the ``D`` features; empty where they have none.
        notes: what the source did that a reader must know, one sentence each.
        target: name of what is predicted.
        unit: unit of a regression target.
        pixel_range: the values of the source that became 0 and 255, e.g. ``(0, 16)``.
    """

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...] = ()
    parts: np.ndarray | None = None
    features: tuple[str, ...] = ()
    notes: Sequence[str] = ()
    target: str = ""
    unit: str = ""
    pixel_range: tuple[float, float] = (0.0, 255.0)


@dataclass(frozen=True)
class RawTable:
    """A table with one row a sample.

    Attributes:
        name: what the data set is called in reports.
        frame: all columns, the target included.
        target: name of the column that is predicted.
        parts: one object a row, each a part or None; None where the table names no parts at all.
        notes: what the source did that a reader must know, one sentence each.
        target_reason: why this column is the target, when it was not named by the user.
    """

    name: str
    frame: pl.DataFrame
    target: str
    parts: np.ndarray | None = None
    notes: Sequence[str] = field(default_factory=list)
    target_reason: str = ""


@dataclass(frozen=True)
class RawSequences:
    """Series of steps, each of any length.

    Attributes:
        name: what the data set is called in reports.
        sequences: one ``steps x features`` array of floats a sample; NaN is a missing value.
        targets: ``N``; indices into ``classes``, or values when there are no classes (regression).
        classes: names of the classes in the order of their indices; empty for regression.
        parts: ``N`` objects, each a part or None; None where the source names no parts at all.
        names: one a series; counted where there are none.
        features: names of the features; empty where they have none.
        rejected: (name, reason) of series already known not to be used.
        notes: what the source did that a reader must know, one sentence each.
        target: name of what is predicted.
        reasons: why the task and the target are these, by key of the recipe.
        layout: the columns of the table that the series come from; None for other sources.
        length: what ``data.length`` stands for in this source, which then is never cut.
    """

    name: str
    sequences: Sequence[np.ndarray]
    targets: np.ndarray
    classes: tuple[str, ...] = ()
    parts: np.ndarray | None = None
    names: Sequence[str] = ()
    features: tuple[str, ...] = ()
    rejected: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    target: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    layout: Layout | None = None
    length: int | None = None


@dataclass(frozen=True)
class RawText:
    r"""One long text, to be continued character by character.

    Attributes:
        name: what the text is called in reports.
        text: all of it, with ``\n`` between lines.
        notes: what the source did that a reader must know, one sentence each.
    """

    name: str
    text: str
    notes: Sequence[str] = ()


Raw = RawImages | RawArrays | RawTable | RawSequences | RawText
