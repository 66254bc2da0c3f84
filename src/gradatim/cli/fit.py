"""``gradatim fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("source", required=False)
@click.option(
    "--model",
    metavar="NAME",
    help="Fit one model only; without it, a ladder of models is climbed.",
)
@click.option(
    "--from",
    "weights",
    metavar="WEIGHTS",
    help="Start from weights: a run, a .safetensors or .pth file (with --model), torchvision:NAME, "
    "timm:NAME or package.module:factory. Of a folder of images, without --model: those that the "
    "environment variable GRADATIM_WEIGHTS names.",
)
@click.option(
    "--budget",
    metavar="TIME",
    help="Time the command may take, audit included: 90s, 10m, 1h (default 5m).",
)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Passes over the data (with a budget: at most).",
)
@click.option(
    "--seed", type=int, metavar="N", help="Every random choice follows from it (default 0)."
)
@options.machine_options
@options.data_options
@options.set_option
@click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Start from a recipe, e.g. the recipe.toml of a run.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The run folder (default runs/SOURCE-MODEL-N).",
)
@options.json_option
def command(json_to: str | None, **choices: Any) -> None:
    """Fit SOURCE: a name (digits, fashion-mnist, ...), a folder of images, a table or an .npz file.

    Without --model, a ladder of models is climbed inside the time budget, each measured on the
    same validation samples, and the best one is measured once on the test part. The run folder
    holds the model, the report and everything needed to repeat or resume the run.
    """  # fmt: skip
    from gradatim import verbs

    run = verbs.fit(**choices, talk=options.talk())
    options.show_run(run, json_to)
