"""A model measured on a source, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradatim.core.page import Block, Heading, Page
from gradatim.pages.run_folder import NOUNS
from gradatim.pages.sections import mistakes, trust, verdict


def page(measured: Mapping[str, Any]) -> Page:
    """Return what ``evaluate`` found.

    Args:
        measured: the fields of the Record's ``test`` event, with ``source`` and ``model``, and
            where they are known ``kind`` (of a sample), ``target`` and ``unit`` (of a regression).
    """
    facts = dict(measured)
    noun = NOUNS.get(str(facts.get("kind") or ""), "sample") + "s"
    target = str(facts.get("target") or "the target"), str(facts.get("unit") or "")
    blocks: list[Block] = [verdict.measured(facts, str(facts["model"]), noun, target)]
    if facts["metric"] == "accuracy":
        blocks += [Heading("Mistakes"), *mistakes.measured(facts)]
        if facts.get("calibration"):
            blocks += trust.calibrated(facts["calibration"])
    elif facts["metric"] == "bits-per-character":
        blocks += trust.language(facts, noun)
    else:
        blocks.append(trust.errors(facts, noun, target))
    return Page(str(facts["source"]), blocks, f"{facts['model']}, measured")
