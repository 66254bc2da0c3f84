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


def describe_options(place: str) -> dict[str, str]:
    """Return the options of a class with their meaning and default, read without importing it.

    An option is a keyword of its constructor, or of that of a class of the same file it is derived
    from; what it means stands in the docstring of that class under ``Options:``.

    Args:
        place: ``"module:class"``, a row of a table.
    """
    module, _, attribute = place.partition(":")
    classes = {node.name: node for node in _tree(module).body if isinstance(node, ast.ClassDef)}
    while attribute in classes:
        node = classes[attribute]
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                meanings = _meanings(ast.get_docstring(node) or "")
                defaults = zip(item.args.kwonlyargs, item.args.kw_defaults, strict=True)
                return {
                    name.arg: f"{meanings.get(name.arg, '')} (default {_written(value)})".strip()
                    for name, value in defaults
                    if value is not None
                }
        attribute = next((base.id for base in node.bases if isinstance(base, ast.Name)), "")
    return {}


def _written(default: ast.expr) -> str:
    """Return a default as a user writes it."""
    if isinstance(default, ast.Constant):
        if default.value is None or isinstance(default.value, bool):
            return "auto" if default.value is None else str(default.value).lower()
        return str(default.value)
    return ast.unparse(default)


def _meanings(docstring: str) -> dict[str, str]:
    """Return what stands behind each name under ``Options:`` of a docstring."""
    found: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Options:\n")[2].splitlines():
        indent = len(line) - len(line.lstrip())
        if not indent:
            break
        if indent == 4:
            name, _, line = line.strip().partition(": ")
        found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return {name: meaning.removesuffix(".") for name, meaning in found.items()}


@cache
def _tree(module: str) -> ast.Module:
    """Return a file as parsed, empty where there is none."""
    found = find_spec(module)
    if found is None or found.origin is None:
        return ast.Module([], [])
    return ast.parse(Path(found.origin).read_text(encoding="utf-8"))


@cache
def _documentation(module: str) -> dict[str, str]:
    """Return the first lines of the docstrings of a file's functions and classes."""
    definitions = (ast.FunctionDef, ast.ClassDef)
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in _tree(module).body
        if isinstance(node, definitions)
    }


def _first_line(place: str) -> str:
    module, _, attribute = place.partition(":")
    return _documentation(module).get(attribute, "")
