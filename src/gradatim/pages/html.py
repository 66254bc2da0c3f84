"""Page -> one HTML file that opens offline: style, charts and pictures are inside.

There is no script, but for the controls that a ``Fragment`` brings.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gradatim.anatomy import mathml
from gradatim.charts import theme
from gradatim.core.page import (
    Block,
    Chart,
    Fold,
    Fragment,
    Heading,
    Page,
    Picture,
    Table,
    Verdict,
)
from gradatim.pages import cells, svg

CONTENTS_FROM = 4
"""Sections from which a page gets a table of contents."""
REDRAWN_UP_TO = 200_000
"""Characters of a drawing up to which it is also drawn for phones; larger ones only shrink."""


def to_html(page: Page) -> str:
    """Return the page as one self-contained HTML file.

    It loads nothing from anywhere, runs no script but those of its fragments, and says so in its
    content security policy.
    """
    view = _View(page)
    return _templates().get_template("page.html.j2").render(page=page, view=view)


@cache
def _templates() -> Environment:
    """Return the templates: everything put into them is escaped, and made visible first."""
    environment = Environment(
        loader=PackageLoader("gradatim.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: cells.visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["theme"] = theme
    environment.globals["cells"] = cells
    return environment


@dataclass(frozen=True)
class _Section:
    heading: Heading | None
    anchor: str
    blocks: list[Block]


class _View:
    """What the template asks about a page: sections, addresses, drawings."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.anchors: set[str] = {"content", "title"}
        self.drawn = 0
        self.verdict = _first_verdict(page.blocks)
        self.sections = list(self._sections(page.blocks))

    @property
    def contents(self) -> list[_Section]:
        """Sections for the table of contents; none for a short page."""
        named = [section for section in self.sections if section.heading is not None]
        return named if len(named) >= CONTENTS_FROM else []

    def _sections(self, blocks: Sequence[Block]) -> Iterator[_Section]:
        current = _Section(None, "", [])
        for block in blocks:
            if block is self.verdict:
                continue
            if isinstance(block, Heading):
                if current.blocks or current.heading:
                    yield current
                current = _Section(block, self.anchor(block.anchor or block.text), [])
            else:
                current.blocks.append(block)
        if current.blocks or current.heading:
            yield current

    def anchor(self, text: str) -> str:
        """Return an id made of the text that no other element of the page has."""
        base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"
        name, number = base, 2
        while name in self.anchors:
            name, number = f"{base}-{number}", number + 1
        self.anchors.add(name)
        return name

    @property
    def scripts(self) -> list[Markup]:
        """The scripts of the page's fragments, each once."""
        found = dict.fromkeys(item.script for item in _fragments(self.page.blocks) if item.script)
        return [Markup(script) for script in found]

    @property
    def script_sources(self) -> Markup:
        """What the content security policy allows to run: these very scripts, by their digest."""
        digests = (hashlib.sha256(script.encode()).digest() for script in self.scripts)
        sources = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
        return Markup(f" script-src {sources};") if sources else Markup("")

    def fragment(self, block: Fragment) -> Markup:
        """Return the fragment's markup, which its maker has escaped."""
        return Markup(block.markup)

    def formula(self, text: str) -> Markup:
        """Return a derivation with its formulas as MathML, or as text where it holds none."""
        shown = cells.visible(text)
        drawn = mathml.to_mathml(shown)
        return Markup(drawn) if "<math" in drawn else escape(cells.formula(shown))

    def kind(self, block: Block) -> str:
        """Return the block's name in the templates."""
        return type(block).__name__.lower()

    def drawings(self, chart: Chart) -> Markup:
        """Draw the chart for a wide page, and again for a phone where it would become too small."""
        self.drawn += 1
        wide = svg.draw(chart, f"w{self.drawn}")
        width = chart.specification.get("width")
        if not isinstance(width, int | float) or width <= svg.NARROW or len(wide) > REDRAWN_UP_TO:
            return Markup(f'<div class="drawing">{wide}</div>')
        narrow = svg.draw(chart, f"n{self.drawn}", svg.NARROW)
        return Markup(
            f'<div class="drawing wide">{wide}</div><div class="drawing narrow">{narrow}</div>'
        )

    def address(self, picture: Picture) -> Markup:
        """Return the picture's content as a data address."""
        content = base64.b64encode(picture.content).decode()
        return Markup(f"data:{picture.media_type};base64,{content}")

    def style_of_figures(self) -> Markup:
        """Return the style that maps each colour a chart uses to the page's variables."""
        named = {colour.light: f"--{name}" for name, colour in theme.COLOURS.items()}
        classes = {colour.light: f"--class-{i}" for i, colour in enumerate(theme.CLASSES)}
        lines = [
            f'.drawing [{kind}="{light}"]{{{kind}:var({variable})}}'
            for light, variable in (named | classes).items()
            for kind in ("fill", "stroke")
        ]
        return Markup("\n".join(lines))

    def colours(self, mode: str) -> Markup:
        """Return the style variables of light or dark paper."""
        named = {f"--{name}": getattr(colour, mode) for name, colour in theme.COLOURS.items()}
        named |= {f"--class-{i}": getattr(c, mode) for i, c in enumerate(theme.CLASSES)}
        return Markup("".join(f"{name}:{value};" for name, value in named.items()))

    def table(self, table: Table) -> dict[str, Any]:
        """Return a table's cells as text and which columns hold figures."""
        return {"rows": cells.cells(table), "numeric": cells.numeric_columns(table)}

    def lines(self, text: str) -> list[str]:
        """Return the lines of a text."""
        return text.split("\n")


def _first_verdict(blocks: Sequence[Block]) -> Verdict | None:
    """Return the verdict that opens the page; it stands in the page's head."""
    first = blocks[0] if blocks else None
    return first if isinstance(first, Verdict) else None


def _fragments(blocks: Sequence[Block]) -> Iterator[Fragment]:
    for block in blocks:
        if isinstance(block, Fragment):
            yield block
        elif isinstance(block, Fold):
            yield from _fragments(block.blocks)
