"""What every rendering of a page shares: text made visible, cells of a table, which align right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from gradatim.charts.figures import NONE, significant
from gradatim.core.page import Cell, Table

_FIGURE = re.compile(r"[<>≤≥≈]?\s?[+−-]?[\d,.]*\d(?!$)|[+−-]?\d*[.,]\d+$")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_KEPT = {"\n", "\t", "\u200c", "\u200d"}
"""Line breaks and tabs; the joiners that some scripts are written with."""


def visible(text: str) -> str:
    r"""Return the text with characters that would hide or turn it around written out.

    File names may hold bytes that are no text (``\xff``), escape sequences (``\x1b``) and marks
    that reverse the writing direction (``\u202e``): they are shown, never obeyed.
    """
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no text, as Python keeps it in file names
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cell_text(value: Cell, form: str | None) -> str:
    """Return one cell as text; ``form`` is a Python format specification for numbers."""
    if value is None or value == "":
        return NONE if value is None else ""
    if isinstance(value, str):
        return value
    if form is not None:
        return format(value, form).replace("-", "−")
    return significant(value, 4) if isinstance(value, float) else f"{value:,}".replace("-", "−")


def cells(table: Table) -> list[list[str]]:
    """Return every cell of a table as text."""
    return [
        [
            cell_text(value, table.formats.get(column))
            for column, value in zip(table.columns, row, strict=True)
        ]
        for row in table.rows
    ]


def numeric_columns(table: Table) -> list[bool]:
    """Say of each column whether it holds figures: numbers, or text such as ``98.3 %``.

    Digits alone may be a class name, and the first column names the rows: there only true numbers
    count.
    """
    return [
        _is_numeric([row[index] for row in table.rows], text_counts=index > 0)
        for index in range(len(table.columns))
    ]


def _is_numeric(column: Sequence[Cell], text_counts: bool) -> bool:
    filled = [value for value in column if value not in (None, "", NONE)]
    return bool(filled) and all(
        (text_counts and _FIGURE.match(value) is not None)
        if isinstance(value, str)
        else not isinstance(value, bool)
        for value in filled
    )


def formula(text: str) -> str:
    """Return a formula in plain text with the signs of mathematics: ``×``, ``−``, ``→``, ``≤``."""
    for plain, sign in (("->", "→"), ("<=", "≤"), (">=", "≥"), (" * ", " × "), (" - ", " − ")):
        text = text.replace(plain, sign)
    text = re.sub(r"(?<=\d)\*(?=\d)", "×", text)
    return re.sub(r"(?<=\d) ?x ?(?=\d)", " × ", text)
