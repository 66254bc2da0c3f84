"""What is kept on this machine, as a page."""

from __future__ import annotations

from typing import Any

from gradatim.core.page import Block, Facts, Page, Table, Verdict


def page(kept: dict[str, Any]) -> Page:
    """Return what ``cache`` found or removed."""
    entries = kept["entries"]
    verb = "removed" if kept["action"] == "clear" else "kept"
    count = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
    blocks: list[Block] = [
        Verdict(f"{count} {verb}, {size(kept['bytes'])}"),
        Facts([("folder", kept["folder"])]),
    ]
    if entries:
        rows = [
            [entry["name"], entry["kind"], size(entry["bytes"]), entry["source"], entry["used"]]
            for entry in entries
        ]
        blocks.append(Table(["name", "kind", "size", "of", "last used"], rows))
    return Page("Cache", blocks)


def size(count: float) -> str:
    """Return a number of bytes as people read it: ``1.2 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
