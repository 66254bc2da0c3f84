"""Watching any PyTorch loop: hooks on what PyTorch does anyway, facts written into a Record.

Probes observe and never judge. They draw no random number, change no bit of what is trained,
and take every hook away when they stop. ``docs/observations.md`` lists what they write.

    with watch(path=Path("record.jsonl")):
        train()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PLACES = {
    "watch": "gradatim.probes.watcher",
    "Watcher": "gradatim.probes.watcher",
    "Script": "gradatim.probes.parent",
}

__all__ = ["Script", "Watcher", "watch"]

if TYPE_CHECKING:
    from gradatim.probes.parent import Script as Script
    from gradatim.probes.watcher import Watcher as Watcher
    from gradatim.probes.watcher import watch as watch


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'gradatim.probes' has no attribute {name!r}")
    return getattr(import_module(place), name)
