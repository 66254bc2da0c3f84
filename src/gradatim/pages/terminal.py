"""Page -> terminal: the verdict first, tables without boxes, charts as small plots with words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Literal

from gradatim.core.page import (
    Arithmetic,
    Block,
    Chart,
    Code,
    Facts,
    Fold,
    Fragment,
    Gallery,
    Heading,
    Level,
    Page,
    Picture,
    Table,
    Text,
    Verdict,
)
from gradatim.pages import cells
from gradatim.pages.cells import visible
from gradatim.pages.plot import plot

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text as RichText

STYLES: dict[Level, str] = {
    "good": "bold green",
    "plain": "bold",
    "note": "bold yellow",
    "alarm": "bold red",
}
BLANK = ""
MARGIN = 2
LEAST = 16
"""Characters that a column of text gets at least, where it needs them."""
GAP = 2
"""Characters between two columns."""
READABLE = 92
"""Characters of a line of running text; tables may be wider."""


def aside() -> Console:
    """Return a console on standard error that is silent once nobody reads it.

    What is told there is beside the work, which goes on when the reader of a pipe has gone away.
    """
    from rich.console import Console

    class Aside(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            # what could not be written is still held, and would fail again when Python ends (120)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.file.fileno())
            os.close(nowhere)

    return Aside(stderr=True, highlight=False)


def print_page(page: Page, console: Console | None = None, *, unfold: bool = False) -> None:
    """Print a page; without a terminal, or with ``NO_COLOR`` set, it is plain text.

    Args:
        page: what to print.
        console: a rich console; standard output by default.
        unfold: print what stands behind folds too, not only the line that opens them.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    if not console.encoding.lower().startswith("utf"):
        _print_for(console, page, unfold)
        return
    title = _words(page.title, "bold")
    if page.subtitle:
        title.append(f"  {visible(page.subtitle)}", "dim")
    _write(console, BLANK, console.width, MARGIN)
    _write(console, title, console.width - 2 * MARGIN, MARGIN)
    for block in page.blocks:
        _print(block, console, MARGIN, unfold)
    console.print()


def _print_for(console: Console, page: Page, unfold: bool) -> None:
    """Print where some signs cannot be written: plain signs in their place."""
    from io import StringIO

    from rich.console import Console

    paper = Console(
        file=StringIO(), width=console.width, highlight=False, force_terminal=False, safe_box=True
    )
    print_page(page, paper, unfold=unfold)
    text = paper.file.getvalue().translate(_PLAIN)  # type: ignore[attr-defined]
    console.file.write(text.encode(console.encoding, "replace").decode(console.encoding))


_PLAIN = {
    **{ord(sign): plain for sign, plain in zip("−–─━│→×≤≥▫…▸▾", "----|>x<>*.>v", strict=True)},
    **dict.fromkeys(range(0x2801, 0x2900), "*"),
    0x2800: " ",
    0x00A0: " ",
}
"""Signs of pages in the characters every system can write."""


def _print(block: Block, console: Console, indent: int, unfold: bool) -> None:
    width = console.width - indent - MARGIN
    if isinstance(block, Fold):
        sign = "▾" if unfold or block.open else "▸"
        _write(console, BLANK, width, indent)
        _write(console, _words(f"{sign} {block.summary}", "dim"), width, indent)
        if unfold or block.open:
            for inner in block.blocks:
                _print(inner, console, indent + 2, unfold)
        return
    for shown in render(block, width):
        _write(console, shown, _room(block, width), indent)


def _room(block: Block, width: int) -> int:
    """Return how wide a block may be: running text stays readable, code is never cut."""
    if isinstance(block, Code):
        return max(width, *(len(line) + 2 for line in block.text.split("\n")))
    return width if isinstance(block, Table | Facts | Arithmetic) else min(width, READABLE)


def _write(console: Console, shown: RenderableType, width: int, indent: int) -> None:
    """Print at an indent, without trailing spaces; text that must not be folded runs on."""
    from rich.segment import Segment, Segments

    options = console.options.update(width=width)
    for line in console.render_lines(shown, options, pad=False) or [[]]:
        while line and not line[-1].text.rstrip():
            line.pop()
        if line:
            line = [
                Segment(" " * indent),
                *line[:-1],
                line[-1]._replace(text=line[-1].text.rstrip()),
            ]
        console.print(Segments([*line, Segment.line()]), end="", crop=False, soft_wrap=True)


@singledispatch
def render(block: Any, width: int) -> list[RenderableType]:
    """Return what to print for a block; every kind begins with an empty line."""
    raise TypeError(f"a page holds no {type(block).__name__}")


@render.register(Verdict)
def _verdict(block: Verdict, width: int) -> list[RenderableType]:
    label = f"{block.level.upper()}  " if block.level in ("note", "alarm") else ""
    details = [_words(line) for line in block.detail.split("\n") if line]
    return [BLANK, _words(label + block.statement, STYLES[block.level]), *details]


@render.register(Heading)
def _heading(block: Heading, width: int) -> list[RenderableType]:
    return [
        BLANK,
        _words(block.text, "bold"),
        _words("─" * min(width, len(block.text)), "dim"),
    ]


@render.register(Text)
def _text(block: Text, width: int) -> list[RenderableType]:
    if block.level in ("note", "alarm"):
        text = _words(f"{block.level.capitalize()}: ", STYLES[block.level])
        return [BLANK, text.append(visible(block.text), "not bold default")]
    return [BLANK, _words(block.text)]


@render.register(Facts)
def _facts(block: Facts, width: int) -> list[RenderableType]:
    return [BLANK, _pairs(block.pairs)]


@render.register(Table)
def _table(block: Table, width: int) -> list[RenderableType]:
    rows = cells.cells(block)
    numeric = cells.numeric_columns(block)
    shown: list[RenderableType] = [BLANK]
    if block.caption:
        shown.append(_words(block.caption, "italic"))
    for columns in _parts(block.columns, rows, numeric, width):
        shown += [_grid(block, rows, numeric, columns), BLANK]
    return shown[:-1]


def _parts(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], width: int
) -> list[list[int]]:
    """Return the columns in parts that fit the width, each beginning with the first column.

    Figures are never folded; text is, but to no less than ``LEAST`` characters.
    """
    from rich.cells import cell_len

    needed = [
        min(longest, longest if figures else LEAST) + GAP
        for index, figures in enumerate(numeric)
        for longest in [max(cell_len(text) for text in [columns[index], *(r[index] for r in rows)])]
    ]
    parts, room = [[0]], width + GAP - needed[0]
    for index in range(1, len(columns)):
        if needed[index] > room and len(parts[-1]) > 1:
            parts.append([0])
            room = width + GAP - needed[0]
        parts[-1].append(index)
        room -= needed[index]
    return parts


def _grid(
    block: Table, rows: Sequence[Sequence[str]], numeric: Sequence[bool], columns: Sequence[int]
) -> RenderableType:
    """Return some columns of a table, without boxes, figures to the right."""
    from rich import box
    from rich.table import Table as Grid

    grid = Grid(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="dim",
        padding=(0, GAP - 1, 0, 0),
    )
    for index in columns:
        justify: Literal["left", "right"] = "right" if numeric[index] else "left"
        head = _words(block.columns[index])
        grid.add_column(head, justify=justify, overflow="fold", no_wrap=numeric[index])
    for number, row in enumerate(rows):
        style = "bold" if number in block.emphasis else ""
        grid.add_row(*(_words(row[index]) for index in columns), style=style)
    return grid


@render.register(Chart)
def _chart(block: Chart, width: int) -> list[RenderableType]:
    drawing = (_words(line, "cyan") for line in plot(block.line, min(width, READABLE)))
    return [BLANK, _words(block.title, "italic"), *drawing, _words(block.alternative)]


@render.register(Picture)
def _picture(block: Picture, width: int) -> list[RenderableType]:
    return [_words("▫ " + (block.caption or block.alternative).replace("\n", " · "))]


@render.register(Gallery)
def _gallery(block: Gallery, width: int) -> list[RenderableType]:
    head: list[RenderableType] = [BLANK]
    if block.caption:
        head.append(_words(block.caption, "italic"))
    return head + [line for picture in block.pictures for line in render(picture, width)]


@render.register(Arithmetic)
def _arithmetic(block: Arithmetic, width: int) -> list[RenderableType]:
    head: list[RenderableType] = [BLANK]
    if block.caption:
        head.append(_words(block.caption, "italic"))
    return [*head, _pairs([(what, cells.formula(formula)) for what, formula in block.lines])]


@render.register(Fragment)
def _fragment(block: Fragment, width: int) -> list[RenderableType]:
    return [_words(block.alternative)]


@render.register(Code)
def _code(block: Code, width: int) -> list[RenderableType]:
    lines = [_words(f"  {line}", "cyan") for line in block.text.split("\n")]
    for line in lines:  # what is to be copied is never folded
        line.no_wrap, line.overflow = True, "ignore"
    return [BLANK, *lines]


def _words(text: str, style: str = "") -> RichText:
    """Return text that is shown as it is: no markup, no hidden characters."""
    from rich.text import Text as RichText

    plain = visible(text).replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ")
    return RichText(plain, style=style, overflow="fold")


def _pairs(pairs: Sequence[tuple[str, str]]) -> RenderableType:
    from rich.table import Table as Grid

    grid = Grid.grid(padding=(0, 3, 0, 0))
    grid.add_column(overflow="fold", style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(_words(name), _words(value))
    return grid
