"""The doctor: reads a Record and names what is wrong, with evidence, cause and cure.

``RULES`` lists every fault by name; each rule is a pure function of the facts in a Record.
No PyTorch is loaded here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gradatim.doctor.table import RULES

_PLACES = {
    "Facts": "gradatim.doctor.facts",
    "Verdict": "gradatim.doctor.diagnosis",
    "diagnose": "gradatim.doctor.diagnosis",
    "explain": "gradatim.doctor.explanation",
}

__all__ = ["RULES", "Facts", "Verdict", "diagnose", "explain"]

if TYPE_CHECKING:
    from gradatim.doctor.diagnosis import Verdict as Verdict
    from gradatim.doctor.diagnosis import diagnose as diagnose
    from gradatim.doctor.explanation import explain as explain
    from gradatim.doctor.facts import Facts as Facts


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'gradatim.doctor' has no attribute {name!r}")
    return getattr(import_module(place), name)
