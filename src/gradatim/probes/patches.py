"""Attributes of PyTorch replaced while watching, and given back afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


class Patches:
    """Everything that was put in place, undone in reverse order."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Function], Function]) -> None:
        """Replace ``owner.name`` by ``make(original)``; do nothing where there is no such name.

        The replacement is marked so that ``torch.jit.script`` compiles the original.
        If somebody else has replaced it again meanwhile, theirs is left in place.
        """
        original = owner.__dict__.get(name)
        if original is None:
            return
        replacement = functools.wraps(original)(make(original))
        vars(replacement)["__script_if_tracing_wrapper"] = True
        vars(replacement)["__original_fn"] = original
        setattr(owner, name, replacement)

        def undo() -> None:
            if owner.__dict__.get(name) is replacement:
                setattr(owner, name, original)

        self._undo.append(undo)

    def add(self, handle: Any) -> None:
        """Keep a hook's handle, to be removed."""
        self._undo.append(handle.remove)

    def restore(self) -> None:
        """Undo everything."""
        while self._undo:
            self._undo.pop()()
