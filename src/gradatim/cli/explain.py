"""``gradatim explain``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("model")
@click.option("--input", metavar="CxHxW", help="Shape of one input, e.g. 3x224x224.")
@click.option(
    "--sample",
    metavar="IMAGE|N",
    help="An image or, for a run, the number of a test sample, to open up.",
)
@click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="For a name: its weights, .safetensors or .pth, with torchvision's names.",
)
@options.set_option
@options.json_option
@options.html_option
def command(
    model: str,
    input: str | None,
    sample: str | None,
    weights: Path | None,
    settings: tuple[str, ...],
    json_to: str | None,
    html_to: Path | None,
) -> None:
    """Explain MODEL: a name (resnet18), a run folder, or package.module:factory.

    Sizes, parameters, operations, receptive fields and memory of every layer, each with its
    arithmetic and a second way to the same number. The HTML page has the derivations to open,
    and controls that change a network without branches. A name alone means full size, in the
    form used for inference.
    """  # fmt: skip
    from gradatim import verbs

    found = verbs.explain(
        model, input=input, sample=sample, weights=weights, settings=settings, talk=options.talk()
    )
    options.show(found.page, found.facts, json_to, html_to)
