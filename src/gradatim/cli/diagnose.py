"""``gradatim diagnose``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from gradatim.cli import options

if TYPE_CHECKING:
    from gradatim.core.page import Page
    from gradatim.experiments.diagnosed import Diagnosed

EXIT = {"healthy": 0, "sick": 1, "unknown": 2}


@click.command(cls=options.Verb, context_settings={"ignore_unknown_options": True})
@click.argument("script", required=False, metavar="SCRIPT.py|RUN")
@click.argument("arguments", nargs=-1, metavar="[-- ARGS]...")
@click.option(
    "-m", "--module", is_flag=True, help="SCRIPT is the name of a module, as for python -m."
)
@click.option(
    "--probe",
    is_flag=True,
    help="Run the script again with one change each (a tenth of the learning rate, no dropout, "
    "...) to settle what is open.",
)
@click.option(
    "--limit",
    metavar="TIME",
    help="End the script after this time (90s, 10m); with --probe, all trials together take at "
    "most as long again.",
)
@click.option("--stop-on-alarm", is_flag=True, help="End the script at the first alarm.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for Record and page (default: in the cache folder).",
)
@click.option(
    "--explain",
    "explained",
    metavar="NAME",
    help="Show the page of a fault and run nothing (`gradatim names faults`).",
)
@options.json_option
@options.html_option
def command(
    script: str | None,
    arguments: tuple[str, ...],
    json_to: str | None,
    html_to: Path | None,
    explained: str | None,
    **choices: Any,
) -> None:
    """Run a PyTorch script watched and say why it does not learn; or judge a run folder.

    SCRIPT.py runs unchanged in a child process; its standard output and results are its own, to
    the byte. Alarms and the verdict go to standard error, alarms while the script still runs.
    What stands after `--` is for the script, and so are options this command does not have.
    With --json and no file, JSON alone goes to standard output, and what the script prints goes
    to standard error.

    The exit code is 0 when healthy, 1 when sick, 2 when no training was seen.
    """
    from gradatim import verbs
    from gradatim.errors import UsageError

    if explained is not None:
        from gradatim.doctor import explain
        from gradatim.pages import to_json

        page = explain(explained)
        import json

        options.show(page, json.loads(to_json(page)), json_to, html_to)
        return
    if script is None:
        raise UsageError("no script was named", next_step="e.g. gradatim diagnose train.py")
    talk = options.talk()
    with _output_aside(json_to == "-") as output, _ended_with_us():

        def tell(told: Diagnosed) -> None:  # the text last: who reads it may go away, as `head`
            if json_to is not None:
                options.write_json(told.to_dict(), json_to, output)
            _print_aside(told.summary)

        found = verbs.diagnose(script, arguments, **choices, talk=talk, tell=tell)
    if found.folder is None and json_to is not None:
        options.write_json(found.to_dict(), json_to)
    if found.folder is None and json_to != "-":
        from gradatim.pages import print_page

        print_page(found.summary)
    if html_to is not None:
        from gradatim.core.files import write_text
        from gradatim.pages import to_html

        write_text(html_to, to_html(found.page))
    if found.page_file is not None:
        talk.say(f"page {found.page_file}")
    raise SystemExit(EXIT[found.verdict])


def _print_aside(page: Page) -> None:
    """Print a page to standard error: standard output is the script's."""
    from gradatim.pages import print_page
    from gradatim.pages.terminal import aside

    print_page(page, aside())


@contextmanager
def _output_aside(wanted: bool) -> Iterator[TextIO]:
    """Let what child processes print go to standard error meanwhile; give standard output."""
    if not wanted:
        yield sys.stdout
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as output:
            yield output
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _ended_with_us() -> Iterator[None]:
    """Let a request to end this process (SIGTERM) end the script too."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
