"""Pages printed on a terminal: readable at every width, plain where there is none."""

import io
import os
import subprocess
import sys

import pytest
from rich.cells import cell_len
from rich.console import Console

from gradatim.core.page import (
    Arithmetic,
    Chart,
    Code,
    Facts,
    Fold,
    Gallery,
    Heading,
    Page,
    Picture,
    Table,
    Text,
    Verdict,
)
from gradatim.pages import print_page
from gradatim.pages.report import report


def printed(page, width=80, **options):
    unfold = options.pop("unfold", False)
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, **{"color_system": None} | options)
    print_page(page, console, unfold=unfold)
    return file.getvalue()


LADDER = Table(
    ["rung", "parameters", "accuracy", "95 % interval", "training", "per image"],
    [
        ["majority", 0, "10.1 %", "7.4 to 14.5 %", "1.0 ms", "0.1 µs"],
        ["resnet18", 11_173_962, "98.3 %", "96.4 to 99.2 %", "1 min 18 s", "410 µs"],
    ],
    caption="Ladder",
    emphasis=[1],
)
PICTURE = Picture(b"", "image/png", "a blurred 8", "8, not 3\n8: 97 %")
PAGE = Page(
    "digits",
    [
        Verdict("resnet18 names 98.3 % right", "354 of 360.\nGuessing gets 10.1 %.", "good"),
        Facts([("Model", "resnet18"), ("Machine", "a very long name " * 8)]),
        Heading("Ladder"),
        LADDER,
        Chart("Loss", {}, "Loss from 2.3 to 0.1.", line=[2.3, 1.0, 0.4, 0.1]),
        Text("Look at [bold]this[/bold].", "alarm"),
        Gallery([PICTURE], "Most wrong"),
        Arithmetic([("height", "(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55")], "conv1"),
        Code("gradatim predict runs/digits-1 " + "x" * 80),
        Fold("more", [Text("inside")]),
        Fold("open", [Text("shown")], open=True),
    ],
    "runs/digits-1",
)


def test_the_verdict_comes_first():
    lines = [line for line in printed(PAGE).splitlines() if line.strip()]
    assert lines[0].split() == ["digits", "runs/digits-1"]
    assert lines[1].strip() == "resnet18 names 98.3 % right"
    assert [line.strip() for line in lines[2:4]] == ["354 of 360.", "Guessing gets 10.1 %."]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_line_fits_and_nothing_is_lost(width):
    text = printed(PAGE, width)
    lines = [line for line in text.splitlines() if "xxx" not in line]
    assert all(cell_len(line) <= width for line in lines)
    assert all(line == line.rstrip() for line in lines)
    for value in ("11,173,962", "96.4 to 99.2 %", "1 min 18 s", "410 µs", "0.1 µs"):
        assert value in text
    assert "Alarm: Look at [bold]this[/bold]." in text
    assert "(224 − 11 + 2×2)/4 + 1 = 55.25 → 55" in " ".join(text.split())


def test_a_table_too_wide_is_split_with_its_first_column_repeated():
    text = printed(Page("", [LADDER]), 60)
    assert text.count("resnet18") == 2 and text.count("11,173,962") == 1
    assert printed(Page("", [LADDER]), 100).count("resnet18") == 1


def test_figures_are_aligned_right():
    lines = printed(Page("", [LADDER]), 100).splitlines()
    ends = [
        line.index(value) + len(value)
        for line in lines
        for value in ("10.1 %", "98.3 %")
        if value in line
    ]
    assert len(ends) == 2 and len(set(ends)) == 1


def test_code_is_never_folded():
    line = next(line for line in printed(PAGE, 60).splitlines() if "predict" in line)
    assert line.endswith("x" * 80)


def test_folds_open_when_asked():
    assert "inside" not in printed(PAGE) and "shown" in printed(PAGE)
    assert "▸ more" in printed(PAGE)
    assert "inside" in printed(PAGE, unfold=True)


def test_charts_are_plots_with_words_and_pictures_one_line():
    text = printed(PAGE)
    plot = [line for line in text.splitlines() if "│" in line]
    assert len(plot) == 6 and plot[0].strip().startswith("2.30 │")
    assert "Loss from 2.3 to 0.1." in text
    assert "▫ 8, not 3 · 8: 97 %" in text


def test_no_terminal_means_no_escape_sequences(monkeypatch):
    assert "\x1b" not in printed(PAGE, color_system="auto")
    assert "\x1b[" in printed(PAGE, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    text = printed(PAGE, force_terminal=True, color_system="standard")
    assert not any(f"\x1b[{code}m" in text for code in range(30, 48))


def test_hostile_text_is_printed_and_never_obeyed():
    bad = "x\x1b[31m\udcff[red]\u202e"
    page = Page(bad, [Verdict(bad), Table([bad], [[bad]]), Facts([(bad, bad)]), Code(bad)])
    text = printed(page)
    assert "\x1b" not in text and "\u202e" not in text
    assert text.count("x\\x1b[31m\\xff[red]\\u202e") == 7


def test_old_encodings_get_plain_signs():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_page(PAGE, Console(file=stream, width=80, highlight=False, color_system=None))
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert "2.30 |" in text and "55.25 > 55" in text and "11,173,962" in text


@pytest.mark.parametrize("name", ["digits", "photos", "moons", "houses", "interrupted"])
def test_reports_print_at_80_columns(runs, name):
    page = report(runs[name])
    text = printed(page)
    assert page.blocks[0].statement.replace("\N{NO-BREAK SPACE}", " ") in " ".join(text.split())
    commands = [line for line in text.splitlines() if str(runs[name]) in line]
    others = [line for line in text.splitlines() if line not in commands]
    assert all(cell_len(line) <= 80 for line in others)


def test_what_nobody_reads_does_not_change_how_a_command_ends():
    """Small texts stay in the buffer of standard error, and would fail again when Python ends."""
    code = (
        "from gradatim.pages.terminal import aside\n"
        "console = aside()\n"
        "console.print('one')\n"
        "console.print('two')\n"
        "raise SystemExit(7)\n"
    )
    read, written = os.pipe()
    os.close(read)
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(written, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-c", code], stderr=closed, env=environment, check=False
        )
    assert ended.returncode == 7
