"""Anatomy: every number of a network, where it comes from, and a second way to the same number.

``explain(module, inputs)`` traces any eager module and answers an ``Anatomy`` of plain numbers;
``page(anatomy)`` makes a page of it. Importing this room loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradatim.anatomy.explanation import explain
    from gradatim.anatomy.parts import Anatomy

__all__ = ["Anatomy", "explain"]

_PLACES = {
    "explain": "gradatim.anatomy.explanation:explain",
    "Anatomy": "gradatim.anatomy.parts:Anatomy",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(module), attribute)
