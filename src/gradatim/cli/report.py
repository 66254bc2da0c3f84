"""``gradatim report``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.json_option
@options.html_option
def command(runs: tuple[Path, ...], json_to: str | None, html_to: Path | None) -> None:
    """Show the report of one run, or of several runs side by side.

    For one run, its report.html is written again too.
    """
    from gradatim import verbs
    from gradatim.pages import to_json

    page = verbs.report(*runs)
    options.show(page, json.loads(to_json(page)), json_to, html_to)
