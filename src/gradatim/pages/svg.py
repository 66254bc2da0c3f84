"""Chart -> SVG, drawn offline; colours stay as they are and the page's style maps them."""

from __future__ import annotations

import copy
import math
import re
from typing import Any
from xml.etree import ElementTree

from gradatim.core.page import Chart
from gradatim.pages.cells import visible

NARROW = 350
"""Width in pixels of the drawing for phones."""

_SPACE = "{http://www.w3.org/2000/svg}"
_NOISE = {"pointer-events", "role", "font-family", "aria-hidden", "aria-roledescription", "version"}
_DEFAULTS = {
    ("opacity", "1"),
    ("stroke-width", "1"),
    ("font-weight", "normal"),
    ("font-size", "12px"),
}
_MEASURES = ("d", "transform", "x", "y", "x1", "x2", "y1", "y2")
_LONG = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")


def draw(chart: Chart, prefix: str, width: int | None = None) -> str:
    """Return the chart as an ``<svg>`` element to be put into a page.

    Args:
        chart: the chart; its data must be inline.
        prefix: makes the ids inside distinct from those of other charts on the page.
        width: width in pixels; None takes the one the chart was designed for.
    """
    import vl_convert

    specification = _safe(fitted(chart.specification, width))
    svg = vl_convert.vegalite_to_svg(specification, allowed_base_urls=[])
    root = ElementTree.fromstring(svg)
    _slim(root)
    _merge(root)
    _rename(root, prefix)
    _, _, wide, high = root.attrib["viewBox"].split()
    root.attrib = {"viewBox": f"0 0 {wide} {high}", "width": wide, "height": high}
    root.attrib["aria-hidden"] = "true"
    return ElementTree.tostring(root, encoding="unicode")


def fitted(specification: dict[str, Any], width: int | None) -> dict[str, Any]:
    """Return the specification at another width; a square chart keeps its sides equal."""
    own = specification.get("width")
    if width is None or not isinstance(own, int | float) or own <= width:
        return specification
    fitted = copy.copy(specification)
    fitted["width"] = width
    if (specification.get("usermeta") or {}).get("square"):
        fitted["height"] = width
    return fitted


def _safe(value: Any) -> Any:
    """Make texts visible and leave out what is no number.

    The renderer measures texts as XML, and a control character there ends the whole process.
    """
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(item) for item in value]
    return value


def _slim(element: ElementTree.Element) -> None:
    """Drop empty groups, attributes that say nothing, and digits finer than a hundredth pixel."""
    for child in list(element):
        _slim(child)
        frame = child.get("class", "").split()[:1] in (["background"], ["foreground"])
        if frame or (child.tag == "g" and len(child) == 0):
            element.remove(child)
    element.tag = element.tag.removeprefix(_SPACE)
    for name, value in list(element.attrib.items()):
        if name in _NOISE or (name, value) in _DEFAULTS:
            del element.attrib[name]
        elif name in _MEASURES:
            element.attrib[name] = _LONG.sub(lambda m: f"{float(m.group()):.2f}", value)


def _merge(element: ElementTree.Element) -> None:
    """Make one path of neighbouring rectangles of the same look: smaller, and without seams."""
    for child in element:
        _merge(child)
    if "mark-rect" not in element.get("class", ""):
        return
    looks: dict[tuple[tuple[str, str], ...], ElementTree.Element] = {}
    for child in list(element):
        look = tuple(sorted((key, value) for key, value in child.items() if key != "d"))
        if child.tag != "path" or "transform" in child.attrib or len(child):
            return
        if look in looks:
            looks[look].attrib["d"] += child.attrib["d"]
            element.remove(child)
        else:
            looks[look] = child


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Give every id inside the prefix, so that two charts on a page never share one."""
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.attrib[name] = f"{prefix}-{value}"
            elif value.startswith("url(#"):
                element.attrib[name] = f"url(#{prefix}-{value[5:]}"
