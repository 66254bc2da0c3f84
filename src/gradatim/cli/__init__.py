"""The command line: one small file a verb, imported only when its verb is used."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from gradatim.errors import GradatimError, closest

VERBS: dict[str, str] = {
    "audit": "Say what is in the data and what is wrong with it.",
    "fit": "Fit the best model the time allows to a folder, a table or a named set.",
    "resume": "Go on with a run that was stopped or killed.",
    "evaluate": "Measure a run on its test part or on another source.",
    "compare": "Fit with several values of one key on the same seeds, and compare them.",
    "predict": "Say what images or rows are, with probabilities.",
    "tune": "Measure your own training step and write the fastest way into a recipe.",
    "explain": "Show every size, parameter and operation of a network with its arithmetic.",
    "diagnose": "Run a PyTorch script watched and say why it does not learn, or judge a run.",
    "report": "Write the report of one run, or of several side by side.",
    "names": "List what can be named: models, sources, losses, recipe keys, ...",
    "cache": "Show or clear the decoded images and downloads kept on this machine.",
}


class Verbs(click.Group):
    """The verbs by name; help needs only the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table: the order of the work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the file of a verb and return its command."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"gradatim.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the closest verb when there is none of this name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            like = closest(args[0], VERBS)
            hint = f" Did you mean {like!r}?" if like else f" Verbs: {', '.join(VERBS)}."
            ctx.fail(f"There is no verb {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"gradatim {version('gradatim')}")
        ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, callback=_version, expose_value=False, is_eager=True,
    help="Show the version and exit.",
)  # fmt: skip
def verbs() -> None:
    """Deep learning, step by step.

    Start with `gradatim fit digits`, or `gradatim fit FOLDER` with a folder of images in class
    sub-folders. `gradatim VERB --help` explains one verb.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; every error a user can cause ends in a message and exit code 2."""
    # PyTorch's threads wait for each other by spinning. Spinning for less costs nothing measurable
    # on an idle machine, and beside other busy programs it saves half of a small net's step.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        status = verbs.main(args=arguments, prog_name="gradatim", standalone_mode=False)
    except GradatimError as error:
        click.echo(f"error: {error}", err=True)
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        status = 130
    except BrokenPipeError:  # the reader of a pipe went away, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        click.echo(f"error: {_system_words(error)}", err=True)
        status = 2
    sys.exit(status if isinstance(status, int) else 0)


def _system_words(error: OSError) -> str:
    """Return what the system refused, with the file it was about."""
    reason = error.strerror or str(error)
    return f"{reason}: {error.filename!r}" if error.filename else reason
