"""``gradatim audit``."""

from __future__ import annotations

from pathlib import Path

import click

from gradatim.cli import options


@click.command(cls=options.Verb)
@click.argument("source")
@options.data_options
@click.option(
    "--augment",
    metavar="[LIST]",
    help="Show samples beside what training makes of them: alone, as `fit` would; or "
    "flip,crop,colour=0.3,rotation=15,hue,erasing,mixup,cutmix.",
)
@options.set_option
@options.json_option
@options.html_option
def command(
    source: str,
    target: str | None,
    data_dir: Path | None,
    augment: str | None,
    settings: tuple[str, ...],
    json_to: str | None,
    html_to: Path | None,
) -> None:
    """Read every sample of SOURCE and say what is there, what was left out, and what looks wrong.

    The page, with a contact sheet, goes to --html or to audit.html in the current folder.
    The exit code is 1 when samples had to be left out.
    """
    from gradatim import verbs

    found = verbs.audit(
        source,
        target=target,
        data_dir=data_dir,
        augment=augment,
        settings=settings,
        talk=options.talk(),
    )
    options.show(found.page, found.facts, json_to, html_to or Path("audit.html"))
    if found.facts["rejected"]:
        raise SystemExit(1)
