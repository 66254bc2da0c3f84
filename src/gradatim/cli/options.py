"""Options and ways of printing that several verbs share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from gradatim.errors import closest

if TYPE_CHECKING:
    from gradatim.core.page import Page
    from gradatim.core.talk import Talk
    from gradatim.experiments.run import Run

Function = TypeVar("Function", bound=Callable[..., Any])


def _is_file(word: str) -> bool:
    return word == "-" or word.endswith(".json")


def _is_list(word: str) -> bool:
    """Whether a word can be a list of augmentations, and not a source."""
    from gradatim.data.suggestion import CALLED, CUSTOMARY

    known = {"fit", "crop", "crop_padding", *CUSTOMARY, *CALLED}
    return "=" in word or _begins_like(word, known)


def _is_kinds(word: str) -> bool:
    return _begins_like(word, KINDS)


def _begins_like(word: str, known: Iterable[str]) -> bool:
    """Whether a list begins with a known word, or with a slip of one that is nothing else."""
    from gradatim.data.sources import SOURCES

    first = word.partition(",")[0].partition("=")[0]
    if first in known:
        return True
    return bool(closest(first, known)) and first not in SOURCES and not Path(word).exists()


KINDS = ("all", "illumination", "contrast", "rotation", "scale", "occlusion", "blur", "noise",
         "jpeg", "background")  # fmt: skip
"""Words that can follow ``--stress``; those of ``data.corruptions``, which loads NumPy."""

ALONE: dict[str, tuple[str, Callable[[str], bool]]] = {
    "--json": ("-", _is_file),
    "--augment": ("fit", _is_list),
    "--stress": ("all", _is_kinds),
}
"""Options that may stand alone: what they mean then, and which words they take after them."""


class Verb(click.Command):
    """A verb with options that take the next word only when it can be theirs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give an option that stands alone its value before click would take the next word."""
        end = args.index("--") if "--" in args else len(args)
        for place, word in enumerate(args[:end]):
            if word in ALONE:
                value, takes = ALONE[word]
                follower = args[place + 1] if place + 1 < len(args) else ""
                if not takes(follower):
                    args[place] = f"{word}={value}"
        return super().parse_args(ctx, args)


def data_options(function: Function) -> Function:
    """Add the options that say what the data are."""
    options = (
        click.option("--target", metavar="COLUMN", help="Column to predict, for a table."),
        click.option(
            "--data-dir", "data_dir", metavar="DIR", type=click.Path(path_type=Path),
            help="Where local copies of named sets are looked for first.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def machine_options(function: Function) -> Function:
    """Add the options that say what does the arithmetic."""
    options = (
        click.option("--device", metavar="NAME", help="auto (default), cpu, cuda, cuda:1 or mps."),
        click.option(
            "--precision", type=click.Choice(["fp32", "bf16"]),
            help="Arithmetic; chosen from a table of measured results when left out.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def set_option(function: Function) -> Function:
    """Add ``--set KEY=VALUE``."""
    return click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE",
        help="Set any key of the recipe, e.g. training.learning_rate=0.05 (repeatable).",
    )(function)  # fmt: skip


def json_option(function: Function) -> Function:
    """Add ``--json [FILE]``: without a file, or with ``-``, only JSON goes to standard output."""
    return click.option(
        "--json", "json_to", metavar="[FILE]",
        help="Write the result as JSON to FILE (.json), or to standard output.",
    )(function)  # fmt: skip


def html_option(function: Function) -> Function:
    """Add ``--html FILE``."""
    return click.option(
        "--html", "html_to", metavar="FILE", type=click.Path(path_type=Path),
        help="Write the page as one HTML file.",
    )(function)  # fmt: skip


def talk() -> Talk:
    """Return the talk of the command line: progress and remarks on standard error."""
    from gradatim.pages.live import Terminal

    return Terminal()


def write_json(result: Any, place: str, output: TextIO | None = None) -> None:
    """Write a result as JSON to a file or, for ``-``, to standard output (or another stream)."""
    from gradatim.core.files import write_text

    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    if place == "-":
        print(text, end="", file=output, flush=True)
    else:
        write_text(Path(place), text)


def show(page: Page, result: Any, json_to: str | None, html_to: Path | None) -> None:
    """Show a page in the terminal, and write it where the options say."""
    if html_to is not None:
        from gradatim.core.files import write_text
        from gradatim.pages import to_html

        write_text(html_to, to_html(page))
    if json_to is not None:
        write_json(result, json_to)
    if json_to != "-":
        from gradatim.pages import print_page

        print_page(page)


def show_run(run: Run, json_to: str | None) -> None:
    """Show the report of a run, then where its files are and how to go on."""
    if json_to is not None:
        write_json(run.summary(), json_to)
    if json_to == "-":
        return
    from gradatim.pages import print_page
    from gradatim.pages.report import report

    print_page(report(run.folder))
    click.echo(f"\nreport   {run.folder / 'report.html'}")
    if run.reason == "interrupted":
        click.echo(f"go on    gradatim resume {run.folder}")
    else:
        click.echo(f"predict  gradatim predict {run.folder} INPUT…")
