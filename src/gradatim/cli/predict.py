"""``gradatim predict``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--length",
    type=click.IntRange(min=1),
    metavar="N",
    help="Characters to add to a text that is continued (default 200).",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    metavar="T",
    help="Below 1 the likely characters become likelier (default 0.8).",
)
@click.option("--seed", type=int, metavar="N", help="Seed of the characters drawn (default 0).")
@options.json_option
@click.option(
    "--csv", "csv_to", metavar="FILE", type=click.Path(path_type=Path),
    help="Write one row per input to FILE.",
)  # fmt: skip
def command(
    run: Path,
    inputs: tuple[str, ...],
    length: int | None,
    temperature: float | None,
    seed: int | None,
    json_to: str | None,
    csv_to: Path | None,
) -> None:
    """Say what each input is: images, folders of images, tables (CSV, Parquet), arrays, or texts.

    A model of texts takes a text itself, or the name of a file; a model of the next character
    continues it.

    An input that cannot be read is listed with its reason; the others are answered all the same.
    """
    from gradatim import verbs
    from gradatim.pages.predictions import page, write_csv

    answers = verbs.predict(
        run,
        *inputs,
        length=length,
        temperature=temperature,
        seed=seed,
        talk=options.talk(),
    )
    if csv_to is not None:
        write_csv(answers, csv_to)
    options.show(page(answers), answers, json_to, None)
    if not any("error" not in answer for answer in answers):
        raise SystemExit(2)
