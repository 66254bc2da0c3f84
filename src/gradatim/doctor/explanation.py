"""A rule's documentation page, read from its docstring without running it."""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

from gradatim.core.files import write_text
from gradatim.core.page import Block, Heading, Page, Text
from gradatim.doctor.table import RULES
from gradatim.errors import UnknownNameError

PARTS = ("Checks", "Why", "Evidence", "Wrong when", "Cure")


def docstring(name: str) -> str:
    """Return the docstring of a rule.

    Raises:
        UnknownNameError: there is no fault of this name.
    """
    if name not in RULES:
        raise UnknownNameError(
            "there is no fault of this name",
            given=name,
            allowed=list(RULES),
            next_step="`gradatim names faults` lists them",
        )
    spec = find_spec(RULES[name].partition(":")[0])
    assert spec is not None and spec.origin is not None  # the table's contract test checks it
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return ast.get_docstring(tree) or ""


def parts(name: str) -> dict[str, str]:
    """Return the page by part: the first sentence under ``""``, then the parts by their names."""
    paragraphs = [" ".join(block.split()) for block in docstring(name).split("\n\n")]
    found = {"": paragraphs[0]}
    latest = ""
    for paragraph in paragraphs[1:]:
        head, colon, rest = paragraph.partition(": ")
        if colon and head in PARTS:
            latest = head
            found[latest] = rest
        else:
            found[latest] += "\n\n" + paragraph
    return found


def markdown(name: str) -> str:
    """Return the page of a fault as Markdown, for the documentation."""
    lines = [f"# {name}"]
    for part, text in parts(name).items():
        lines.append(f"**{part}.** {text[:1].upper()}{text[1:]}" if part else text)
    return "\n\n".join(lines) + "\n"


def summaries() -> dict[str, str]:
    """Return the first sentence of every fault's page, by name."""
    return {name: parts(name)[""] for name in sorted(RULES)}


def index() -> str:
    """Return the list of all faults as Markdown."""
    rows = [f"* [{name}]({name}.md): {says}" for name, says in summaries().items()]
    return (
        "# Faults\n\nEvery name the doctor knows; a name is for ever.\n\n" + "\n".join(rows) + "\n"
    )


def write(folder: Path) -> None:
    """Write all pages: ``python -m gradatim.doctor.explanation docs/faults``."""
    write_text(folder / "README.md", index())
    for name in RULES:
        write_text(folder / f"{name}.md", markdown(name))


def explain(name: str) -> Page:
    """Return the page of a fault."""
    blocks: list[Block] = []
    for part, text in parts(name).items():
        if part:
            blocks.append(Heading(part, part.lower().replace(" ", "-")))
        blocks.append(Text(text))
    return Page(name, blocks, "fault")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
