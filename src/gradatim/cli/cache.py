"""``gradatim cache``."""

from __future__ import annotations

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("action", type=click.Choice(["show", "clear"]), default="show")
@options.json_option
def command(action: str, json_to: str | None) -> None:
    """Show what is kept on this machine (decoded images, downloads), or clear it."""
    from gradatim import verbs
    from gradatim.pages.cache import page

    result = verbs.cache(action)
    options.show(page(result), result, json_to, None)
