"""Attributes of PyTorch replaced while watching, and given back afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


class Patches:
    """Replacements that are put in place, taken away and put in place again together."""

    def __init__(self) -> None:
        self._known: list[tuple[Any, str, bool, Function, Function]] = []
        self.on = False

    def replace(self, owner: Any, name: str, make: Callable[[Function], Function]) -> None:
        """Prepare to replace ``owner.name`` by ``make(original)``; skip what is not there.

        The replacement is marked so that ``torch.jit.script`` compiles the original.
        """
        original = getattr(owner, name, None)
        if original is None:
            return
        replacement = functools.wraps(original)(make(original))
        vars(replacement)["__script_if_tracing_wrapper"] = True
        vars(replacement)["__original_fn"] = original
        self._known.append((owner, name, name in owner.__dict__, original, replacement))

    def place(self) -> None:
        """Put all replacements in place, but leave alone what somebody else has replaced."""
        if not self.on:
            self.on = True
            for owner, name, _, original, replacement in self._known:
                if owner.__dict__.get(name, original) is original:
                    setattr(owner, name, replacement)

    def remove(self) -> None:
        """Give the originals back; what somebody else has replaced on top is left alone."""
        if self.on:
            self.on = False
            for owner, name, own, original, replacement in reversed(self._known):
                if owner.__dict__.get(name) is not replacement:
                    continue
                if own:
                    setattr(owner, name, original)
                else:
                    delattr(owner, name)
