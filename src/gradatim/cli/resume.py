"""``gradatim resume``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("run", type=click.Path(path_type=Path))
@options.json_option
def command(run: Path, json_to: str | None) -> None:
    """Go on with the run in folder RUN after a stop, a crash or a kill, bit for bit.

    A finished run is left alone.
    """
    from gradatim import verbs

    options.show_run(verbs.resume(run, talk=options.talk()), json_to)
