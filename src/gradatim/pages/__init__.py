"""Page -> terminal, HTML and JSON; run folder -> Page. No torch.

``to_html``, ``to_json`` and ``print_page`` render any ``core.page.Page``; ``gradatim.pages.report``
writes the page of a run and ``gradatim.pages.live`` shows what goes on while it runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PLACES = {
    "print_page": "gradatim.pages.terminal",
    "to_html": "gradatim.pages.html",
    "to_json": "gradatim.pages.json",
}

__all__ = ["print_page", "to_html", "to_json"]

if TYPE_CHECKING:
    from gradatim.pages.html import to_html as to_html
    from gradatim.pages.json import to_json as to_json
    from gradatim.pages.terminal import print_page as print_page


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(place), name)
