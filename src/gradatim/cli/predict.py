"""``gradatim predict``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.json_option
@click.option(
    "--csv", "csv_to", metavar="FILE", type=click.Path(path_type=Path),
    help="Write one row per input to FILE.",
)  # fmt: skip
def command(run: Path, inputs: tuple[Path, ...], json_to: str | None, csv_to: Path | None) -> None:
    """Say what each input is: images, folders of images, or tables (CSV, Parquet) of rows.

    An input that cannot be read is listed with its reason; the others are answered all the same.
    """
    from gradatim import verbs
    from gradatim.pages.predictions import page, write_csv

    answers = verbs.predict(run, *inputs, talk=options.talk())
    if csv_to is not None:
        write_csv(answers, csv_to)
    options.show(page(answers), answers, json_to, None)
    if not any("error" not in answer for answer in answers):
        raise SystemExit(2)
