"""``gradatim evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("source", required=False)
@click.option(
    "--stress",
    metavar="[KINDS]",
    help="Measure on corrupted images: alone, every kind; or illumination, contrast, rotation, "
    "scale, occlusion, blur, noise, jpeg, background with commas between.",
)
@click.option(
    "--against",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="With --stress: another run beside it, on the same samples.",
)
@options.data_options
@options.json_option
@options.html_option
def command(
    run: Path,
    source: str | None,
    stress: str | None,
    against: Path | None,
    target: str | None,
    data_dir: Path | None,
    json_to: str | None,
    html_to: Path | None,
) -> None:
    """Measure the model of RUN on the run's own test part, or on every sample of SOURCE.

    Where SOURCE has a test part, that part is used. The page of --stress goes to --html or to
    stress.html in the current folder.
    """
    from gradatim import verbs
    from gradatim.pages import evaluation
    from gradatim.pages import stress as stressed

    result = verbs.evaluate(
        run,
        source,
        stress=stress,
        against=against,
        target=target,
        data_dir=data_dir,
        talk=options.talk(),
    )
    if stress is None:
        options.show(evaluation.page(result), result, json_to, html_to)
    else:
        options.show(stressed.page(result), result, json_to, html_to or Path("stress.html"))
