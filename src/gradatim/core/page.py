"""A page is a list of neutral blocks; the room ``pages`` renders them for a terminal or as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["good", "plain", "note", "alarm"]
Cell = str | int | float | None


@dataclass(frozen=True)
class Verdict:
    """The answer, first on the page: one statement, and a line that says how sure."""

    statement: str
    detail: str = ""
    level: Level = "plain"


@dataclass(frozen=True)
class Heading:
    """A section begins. ``anchor`` is its address inside the page."""

    text: str
    anchor: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str
    level: Level = "plain"


@dataclass(frozen=True)
class Facts:
    """Names beside values, in order."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows under columns. Numbers are aligned right; ``emphasis`` holds indices of marked rows.

    ``formats`` gives a Python format specification for a column, e.g. ``",.0f"``.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    emphasis: Sequence[int] = ()
    formats: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """A chart as a Vega-Lite specification with its data inline.

    ``alternative`` says in words what the chart shows, with its figures; ``line`` is the main
    series, drawn as a small plot where only text can be shown.
    """

    title: str
    specification: dict[str, Any]
    alternative: str
    caption: str = ""
    line: Sequence[float] = ()


@dataclass(frozen=True)
class Picture:
    """A PNG, JPEG, WebP or SVG picture, embedded. ``scale`` enlarges pixels without smoothing."""

    content: bytes
    media_type: Literal["image/png", "image/jpeg", "image/webp", "image/svg+xml"]
    alternative: str
    caption: str = ""
    pixelated: bool = False


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, each with its caption."""

    pictures: Sequence[Picture]
    caption: str = ""


@dataclass(frozen=True)
class Arithmetic:
    """A derivation: each line is one equality, with what it is about.

    ``lines`` holds pairs (what, formula), the formula in plain text such as
    ``(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55``.
    """

    lines: Sequence[tuple[str, str]]
    caption: str = ""


@dataclass(frozen=True)
class Fragment:
    """HTML made by a room of the house, where no other block will do: controls, for example.

    ``markup`` is put into a page as it is, so it must have escaped every text in it; ``script``
    runs once for all fragments that have the same. Elsewhere than in HTML the ``alternative`` is
    shown.
    """

    markup: str
    alternative: str
    script: str = ""


@dataclass(frozen=True)
class Code:
    """Text to be copied: a command, a recipe."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Fold:
    """Blocks behind a line that opens them."""

    summary: str
    blocks: Sequence[Block]
    open: bool = False


Block = (
    Verdict
    | Heading
    | Text
    | Facts
    | Table
    | Chart
    | Picture
    | Gallery
    | Arithmetic
    | Fragment
    | Code
    | Fold
)


@dataclass(frozen=True)
class Page:
    """A titled list of blocks. ``subtitle`` says when and what, e.g. the run's name and date."""

    title: str
    blocks: Sequence[Block]
    subtitle: str = ""
