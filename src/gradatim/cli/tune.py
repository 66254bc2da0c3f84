"""``gradatim tune``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("what", metavar="RUN|SOURCE")
@click.option("--model", metavar="NAME", help="Of a source: the model whose step is measured.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Of measuring, about (default 20).")
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Try torch.compile, too: takes a minute, and a C++ compiler.",
)
@options.data_options
@options.set_option
@click.option(
    "--recipe", metavar="FILE", type=click.Path(path_type=Path), help="Start from a recipe."
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("tuned.toml"),
    help="Where the recipe goes (default tuned.toml); it must not be there yet.",
)
@options.json_option
@options.html_option
def command(
    what: str,
    model: str | None,
    seconds: float | None,
    compiled: bool,
    target: str | None,
    data_dir: Path | None,
    settings: tuple[str, ...],
    recipe: Path | None,
    out: Path,
    json_to: str | None,
    html_to: Path | None,
) -> None:
    """Measure the training step of a RUN, or of a model on a SOURCE.

    Every precision, memory layout and form of the optimiser's update takes one step in turn, for
    some seconds, and around the fastest other numbers of threads; the fastest of all is written
    into a recipe, from which `gradatim fit --recipe` starts.
    Without this a fit takes what a committed table says of this kind of machine and model.
    """  # fmt: skip
    from gradatim import verbs

    found = verbs.tune(
        what, model=model, target=target, data_dir=data_dir, settings=settings, recipe=recipe,
        out=out, seconds=seconds, compiled=compiled, talk=options.talk(),
    )  # fmt: skip
    options.show(found.page, found.facts, json_to, html_to)
