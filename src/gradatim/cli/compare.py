"""``gradatim compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("source", required=False)
@click.option(
    "--over",
    required=True,
    metavar="KEY=A,B,…",
    help="A key of the recipe and the values to compare.",
)
@click.option("--model", metavar="NAME", help="The model; by default a small one that suits.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="Each draws split, first weights and order, the same for every value.",
)
@click.option(
    "--on",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="The part that is measured; test when nothing is to be chosen.",
)
@click.option(
    "--budget",
    metavar="TIME",
    help="For all together: the epochs follow from it (default 5m).",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Passes over the data, instead of a budget.",
)
@click.option("--seed", type=int, metavar="N", help="The first of the seeds (default 0).")
@options.machine_options
@options.data_options
@options.set_option
@click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What all members share, e.g. the recipe.toml of a run.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder (default runs/SOURCE-compare-N); asked for again there, it goes on.",
)
@options.json_option
@options.html_option
def command(json_to: str | None, html_to: Path | None, **choices: Any) -> None:
    """Fit SOURCE with several values of one key, each on the same seeds, and compare them.

    Learning curves: --over samples-per-class=10,20,50 · --over limit=500,1000,5000 ·
    --over epochs=1,3,10 · --over model.hidden=[8],[64],[512]. Models: --over model=linear,mlp.
    """
    from gradatim import verbs

    found = verbs.compare(**choices, talk=options.talk())
    options.show(found.page, found.facts, json_to, html_to)
    if json_to != "-":
        click.echo(f"\nreport   {found.folder / 'report.html'}")
        if not found.finished:
            click.echo(f"go on    the same command with --out {found.folder}")
