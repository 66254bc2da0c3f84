"""``gradatim evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", required=False)
@options.data_options
@options.json_option
@options.html_option
def command(
    run: Path,
    source: str | None,
    target: str | None,
    data_dir: Path | None,
    json_to: str | None,
    html_to: Path | None,
) -> None:
    """Measure the model of RUN on the run's own test part, or on every sample of SOURCE.

    Where SOURCE has a test part, that part is used.
    """
    from gradatim import verbs
    from gradatim.pages.evaluation import page

    result = verbs.evaluate(run, source, target=target, data_dir=data_dir, talk=options.talk())
    options.show(page(result), result, json_to, html_to)
