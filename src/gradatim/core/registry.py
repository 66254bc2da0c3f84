"""Tables of what can be named: ``{"lenet": "gradatim.models.lenet:LeNet"}``, resolved when used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
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
    if name not in table:
        raise UnknownNameError(
            f"there is no {kind} of this name",
            given=name,
            allowed=list(table),
            next_step=f"`gradatim names {kind}s` lists them",
        )
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
