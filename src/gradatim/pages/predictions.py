"""What a model said about inputs, as a page and as rows of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradatim.core.files import write_text
from gradatim.core.page import Block, Cell, Heading, Page, Table, Text, Verdict


def page(answers: Sequence[dict[str, Any]]) -> Page:
    """Return the answers of ``predict``: one row an input, the unreadable ones with reasons."""
    good = [answer for answer in answers if "error" not in answer]
    if good and "text" in good[0]:
        return Page("Continued", [block for answer in good for block in _continued(answer)])
    bad = [answer for answer in answers if "error" in answer]
    rows: list[list[Cell]] = [[answer["input"], *_said(answer)] for answer in good]
    columns = ["input", "value"] if good and "value" in good[0] else _CLASS_COLUMNS
    blocks: list[Block] = [
        Verdict(
            f"{len(good):,} of {len(answers):,} inputs answered",
            level="plain" if not bad else "note",
        )
    ]
    if rows:
        blocks.append(Table(columns, rows, formats={"value": ".6g", "probability": ".3f"}))
    if bad:
        unread = [[answer["input"], answer["error"]] for answer in bad]
        blocks.append(Table(["input", "why it was not answered"], unread))
    return Page("Predictions", blocks)


_CLASS_COLUMNS = ["input", "class", "probability", "next likely"]


def _continued(answer: dict[str, Any]) -> list[Block]:
    """Return a text as it began, and as it was continued, line by line."""
    lines = f"{answer['prompt']}{answer['text']}".splitlines()
    return [Heading(f"After {answer['input']}"), *(Text(line) for line in lines if line.strip())]


def _said(answer: dict[str, Any]) -> list[Cell]:
    if "value" in answer:
        return [answer["value"]]
    others = sorted(answer["probabilities"].items(), key=lambda item: -item[1])[1:3]
    return [
        answer["label"],
        answer["probability"],
        ", ".join(f"{name} {share:.3f}" for name, share in others),
    ]


def write_csv(answers: Sequence[dict[str, Any]], path: Path) -> None:
    """Write one row an input: input, class and probability (or value), error, then every class.

    A cell that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    names = sorted({name for answer in answers for name in answer.get("probabilities", {})})
    said = ["label", "probability"]
    for key, names_of_it in (("value", ["value"]), ("text", ["prompt", "text"])):
        if any(key in answer for answer in answers):
            said = names_of_it
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_safe(["input", *said, "error", *names]))
    for answer in answers:
        shares = answer.get("probabilities", {})
        row = [answer["input"], *(answer.get(key, "") for key in said), answer.get("error", "")]
        writer.writerow(_safe([*row, *(shares.get(name, "") for name in names)]))
    write_text(path, text.getvalue())


def _safe(row: Sequence[Any]) -> list[Any]:
    return [f"'{cell}" if str(cell)[:1] in ("=", "+", "@") else cell for cell in row]
