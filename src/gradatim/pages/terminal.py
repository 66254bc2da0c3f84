"""Page -> terminal: the verdict first, tables without boxes, charts as small plots with words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from gradatim.core.page import (
    Arithmetic,
    Block,
    Chart,
    Code,
    Facts,
    Fold,
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
MARGIN = 2
READABLE = 92
"""Characters of a line of running text; tables may be wider."""


def print_page(page: Page, console: Console | None = None, *, unfold: bool = False) -> None:
    """Print a page; without a terminal, or with ``NO_COLOR`` set, it is plain text.

    Args:
        page: what to print.
        console: a rich console; standard output by default.
        unfold: print what stands behind folds too, not only the line that opens them.
    """
    from rich.console import Console
    from rich.padding import Padding

    console = console or Console(highlight=False)
    if not console.encoding.lower().startswith("utf"):
        _print_for(console, page, unfold)
        return
    title = _words(page.title, "bold")
    if page.subtitle:
        title.append(f"  {visible(page.subtitle)}", "dim")
    console.print(Padding(title, (1, 0, 0, MARGIN), expand=False))
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
    **{ord(sign): plain for sign, plain in zip("−–─━│→×≤≥▫…", "----|>x<>*.", strict=True)},
    **dict.fromkeys(range(0x2801, 0x2900), "*"),
    0x2800: " ",
    0x00A0: " ",
}
"""Signs of pages in the characters every system can write."""


def _print(block: Block, console: Console, indent: int, unfold: bool) -> None:
    from rich.padding import Padding

    if isinstance(block, Fold):
        console.print(
            Padding(_words(f"{block.summary}", "dim" if not unfold else ""), (1, 0, 0, indent))
        )
        if unfold or block.open:
            for inner in block.blocks:
                _print(inner, console, indent + 2, unfold)
        return
    width = console.width - indent - MARGIN
    for shown in render(block, width):
        console.print(
            Padding(shown, (0, 0, 0, indent), expand=False), soft_wrap=isinstance(block, Code)
        )


@singledispatch
def render(block: Any, width: int) -> list[RenderableType]:
    """Return what to print for a block; every kind begins with an empty line."""
    raise TypeError(f"a page holds no {type(block).__name__}")


@render.register(Verdict)
def _verdict(block: Verdict, width: int) -> list[RenderableType]:
    label = f"{block.level.upper()}  " if block.level in ("note", "alarm") else ""
    lines = [_words(""), _words(label + block.statement, STYLES[block.level])]
    return _within(width, lines + [_words(line) for line in block.detail.split("\n") if line])


@render.register(Heading)
def _heading(block: Heading, width: int) -> list[RenderableType]:
    return [
        _words(""),
        _words(block.text, "bold"),
        _words("─" * min(width, len(block.text)), "dim"),
    ]


@render.register(Text)
def _text(block: Text, width: int) -> list[RenderableType]:
    if block.level in ("note", "alarm"):
        text = _words(f"{block.level.capitalize()}: ", STYLES[block.level])
        return _within(width, [_words(""), text.append(visible(block.text), "default")])
    return _within(width, [_words(""), _words(block.text)])


@render.register(Facts)
def _facts(block: Facts, width: int) -> list[RenderableType]:
    return [_words(""), _pairs(block.pairs)]


@render.register(Table)
def _table(block: Table, width: int) -> list[RenderableType]:
    from rich import box
    from rich.table import Table as Grid

    grid = Grid(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 1)
    )
    numeric = cells.numeric_columns(block)
    for column, figures in zip(block.columns, numeric, strict=True):
        grid.add_column(
            _words(column), justify="right" if figures else "left", overflow="fold", no_wrap=figures
        )
    for index, row in enumerate(cells.cells(block)):
        style = "bold" if index in block.emphasis else ""
        grid.add_row(*(_words(cell) for cell in row), style=style)
    caption: list[RenderableType] = [_words(block.caption, "italic")] if block.caption else []
    return [_words(""), *caption, grid]


@render.register(Chart)
def _chart(block: Chart, width: int) -> list[RenderableType]:
    drawing = plot(block.line, min(width, READABLE))
    lines = [_words(""), _words(block.title, "italic"), *(_words(line, "cyan") for line in drawing)]
    return [*lines, *_within(width, [_words(block.alternative)])]


@render.register(Picture)
def _picture(block: Picture, width: int) -> list[RenderableType]:
    caption = f"{block.caption}: " if block.caption else ""
    return _within(width, [_words(f"▫ {caption}{block.alternative}".replace("\n", ", "))])


@render.register(Gallery)
def _gallery(block: Gallery, width: int) -> list[RenderableType]:
    head: list[RenderableType] = [_words("")]
    if block.caption:
        head.append(_words(block.caption, "italic"))
    return head + [line for picture in block.pictures for line in render(picture, width)]


@render.register(Arithmetic)
def _arithmetic(block: Arithmetic, width: int) -> list[RenderableType]:
    head: list[RenderableType] = [_words("")]
    if block.caption:
        head.append(_words(block.caption, "italic"))
    return [*head, _pairs([(what, cells.formula(formula)) for what, formula in block.lines])]


@render.register(Code)
def _code(block: Code, width: int) -> list[RenderableType]:
    return [_words(""), *(_words(f"  {line}", "cyan") for line in block.text.split("\n"))]


def _words(text: str, style: str = "") -> RichText:
    """Return text that is shown as it is: no markup, no hidden characters."""
    from rich.text import Text as RichText

    return RichText(visible(text).replace("\n", " "), style=style, overflow="fold")


def _within(width: int, lines: Sequence[RichText]) -> list[RenderableType]:
    """Keep running text at a width that is easy to read."""
    from rich.constrain import Constrain

    return [Constrain(line, min(width, READABLE)) for line in lines]


def _pairs(pairs: Sequence[tuple[str, str]]) -> RenderableType:
    from rich.table import Table as Grid

    grid = Grid.grid(padding=(0, 3, 0, 0))
    grid.add_column(overflow="fold", style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(_words(name), _words(value))
    return grid
