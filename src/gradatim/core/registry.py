"""Tables of what can be named: ``{"lenet": "gradatim.models.lenet:LeNet"}``, resolved when used."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gradatim.errors import UnknownNameError


def resolve(table: Mapping[str, str], name: str, kind: str) -> Any:
    """Return the object that a table names.

    Args:
        table: name to ``"module:attribute"``.
        name: the row wanted.
        kind: what the table lists, in the singular, for the message: ``model``, ``source``.

    Raises:
        UnknownNameError: no such row; the closest one is named.
    """
    known(table, name, kind)
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)


def known(table: Mapping[str, str], name: str, kind: str) -> None:
    """Refuse a name that the table does not hold.

    Raises:
        UnknownNameError: no such row; the closest one is named.
    """
    if name not in table:
        kinds = f"{kind}es" if kind.endswith("s") else f"{kind}s"
        raise UnknownNameError(
            f"there is no {kind} of this name",
            given=name,
            allowed=list(table),
            next_step=f"`gradatim names {kinds}` lists them",
        )


def describe(table: Mapping[str, str]) -> dict[str, str]:
    """Return the first line of the documentation of every row, read without importing the code."""
    return {name: _first_line(place) for name, place in table.items()}


@cache
def _documentation(module: str) -> dict[str, str]:
    """Return the first lines of the docstrings of a file's functions and classes."""
    found = find_spec(module)
    if found is None or found.origin is None:
        return {}
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    definitions = (ast.FunctionDef, ast.ClassDef)
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in tree.body
        if isinstance(node, definitions)
    }


def _first_line(place: str) -> str:
    module, _, attribute = place.partition(":")
    return _documentation(module).get(attribute, "")
