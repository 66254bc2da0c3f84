"""``gradatim names``."""

from __future__ import annotations

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("table", required=False)
@options.json_option
def command(table: str | None, json_to: str | None) -> None:
    """List the names of TABLE, the options of a model, or the tables there are."""
    from gradatim import verbs

    found = verbs.names(table)
    if json_to is not None:
        options.write_json(found, json_to)
    if json_to != "-":
        width = max((len(name) for name in found), default=0)
        for name, meaning in found.items():
            click.echo(f"{name:<{width}}  {meaning}".rstrip())
        if not found:
            click.echo(f"{table} has no options")
