"""A run under stress as a page: what it bears, drawn, with the samples."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from gradatim.charts import figures
from gradatim.charts import stress as chart
from gradatim.core.page import Block, Cell, Heading, Page, Picture, Table, Text, Verdict

ABOUT = {
    "illumination": "Half of the samples brighter, half darker; hue and saturation stay.",
    "contrast": "Every channel is drawn towards its mean.",
    "rotation": "Turned about the middle, either way; the edge goes on beyond the picture.",
    "scale": "Half of the samples larger, half smaller, about the middle; the edge goes on.",
    "occlusion": "A grey square lies on the picture, wholly inside it.",
    "blur": "A Gaussian blur.",
    "noise": "Gaussian noise on every channel.",
    "jpeg": "Compressed by JPEG.",
    "background": "The region that is joined to the border and nearly of one colour (within 24 of "
    "255 levels of the border's median, over three quarters of the border) gives way to coarse "
    "coloured texture. Where there is none, the border is blended, more towards the corners. "
    "Lawns, streets and rooms are not found.",
}


def page(facts: Mapping[str, Any]) -> Page:
    """Return the page of ``gradatim.evaluate(run, stress=...)``."""
    kinds = [row["kind"] for row in facts["kinds"]]
    blocks: list[Block] = [_verdict(facts), *_overview(facts)]
    for kind in kinds:
        blocks += _kind(facts, kind)
    blocks += [
        Heading("Definitions", "definitions"),
        Text(
            "Illumination (the brighter half), contrast, blur, noise and jpeg are defined, and "
            "their five strengths set, by Hendrycks and Dietterich 2019: those of CIFAR-10-C for "
            "pictures of up to 96 pixels, of ImageNet-C above; blur is scaled with the side. The "
            "others are Gradatim's own. Every draw depends on the sample alone, so each strength, "
            "and each run, meets the same samples in the same way."
        ),
    ]
    against = f" against {facts['against']['model']}" if facts.get("against") else ""
    return Page(f"{facts['source']}: under stress", blocks, f"{facts['model']}{against}")


def _verdict(facts: Mapping[str, Any]) -> Verdict:
    worst = min(facts["kinds"], key=lambda row: float(row["lost"]["value"]))
    clean = figures.percent(facts["clean"]["value"])
    part = f" of {facts['of']:,}, evenly spread" if facts["of"] > facts["samples"] else ""
    detail = (
        f"{facts['samples']:,} test images{part}; {clean} right as they are "
        f"({figures.interval('accuracy', facts['clean']['low'], facts['clean']['high'])})"
    )
    if facts.get("against"):
        return _compared(facts, detail)
    if worst["lost"]["high"] >= 0:
        return Verdict("No stress costs accuracy that can be told from chance", detail, "good")
    told = f"{worst['kind']} costs most: {clean} to {figures.percent(worst['mean'])}"
    return Verdict(f"{told[0].upper()}{told[1:]} on average", detail, "plain")


def _compared(facts: Mapping[str, Any], detail: str) -> Verdict:
    better = [row["kind"] for row in facts["paired"]["kinds"] if row["mean"]["low"] > 0]
    worse = [row["kind"] for row in facts["paired"]["kinds"] if row["mean"]["high"] < 0]
    first, other = chart.names(facts)
    told = []
    if better:
        told.append(f"{first} bears {', '.join(better)} better")
    if worse:
        told.append(f"{other} bears {', '.join(worse)} better")
    statement = "; ".join(told) or f"{first} and {other} cannot be told apart"
    return Verdict(statement, detail, "plain")


def _overview(facts: Mapping[str, Any]) -> Iterator[Block]:
    yield Heading("All kinds", "all")
    rows: list[list[Cell]] = [
        [row["kind"], *(figures.percent(step["value"]) for step in row["steps"]),
         figures.percent(row["mean"]), _points(row["lost"])]
        for row in facts["kinds"]
    ]  # fmt: skip
    columns = ["accuracy under", "1", "2", "3", "4", "5", "mean", "lost (points)"]
    yield Table(columns, rows, caption="By strength")
    if facts.get("against"):
        first, other = chart.names(facts)
        paired: list[list[Cell]] = [["as it is", _points(facts["paired"]["clean"])]]
        paired += [[row["kind"], _points(row["mean"])] for row in facts["paired"]["kinds"]]
        yield Table(
            ["under", f"{first} less {other} (points)"],
            paired,
            caption="On the same samples, mean of the five strengths, with 95 % interval",
        )


def _kind(facts: Mapping[str, Any], kind: str) -> Iterator[Block]:
    row = next(row for row in facts["kinds"] if row["kind"] == kind)
    yield Heading(kind.capitalize(), kind)
    settings = ", ".join(step["setting"] for step in row["steps"])
    about = f"{ABOUT[kind]} Strengths: {settings}."
    if kind == "background":
        about += (
            f" A background was found in {facts['backgrounds']:,} of {facts['samples']:,} images."
        )
    yield Text(about)
    yield chart.chart(facts, kind)
    for picture in facts["pictures"][kind]:
        yield _picture(kind, picture)


def _picture(kind: str, picture: Mapping[str, Any]) -> Picture:
    caption = f"{picture['true']}, as it is and at strength 1 to 5; answered "
    caption += ", ".join(picture["answers"])
    return Picture(
        base64.b64decode(picture["content"]),
        picture["media_type"],
        f"{kind}: {caption}",
        caption,
        pixelated=picture["pixelated"],
    )


def _points(difference: Mapping[str, float]) -> str:
    value, low, high = (
        figures.minus(100 * difference[key], 1, sign=True) for key in ("value", "low", "high")
    )
    return f"{value} ({low} to {high})"
