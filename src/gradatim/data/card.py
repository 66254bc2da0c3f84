"""The data card: an audit as a page, with a contact sheet for images."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gradatim.core.page import (
    Block,
    Cell,
    Facts,
    Fold,
    Heading,
    Page,
    Picture,
    Table,
    Text,
    Verdict,
)
from gradatim.data.audit import Audit, FeatureFacts

LISTED = 12
"""Rows of a list on the page itself; the rest stands behind a fold."""
FOLDED = 500
"""Rows behind a fold; ``--json`` has all."""

STRIP_PICTURES, STRIP_SIDE = 12, 64
"""Pictures a class on the contact sheet, and their side in pixels: smaller ones are enlarged by a
whole factor, larger ones reduced."""
SHEET_CLASSES = 24
SHARP_SIDE = 48
"""Pictures up to this side are kept pixel by pixel (PNG); larger ones are compressed (JPEG)."""

NOUNS = {
    "image": ("picture", "pictures"),
    "vector": ("sample", "samples"),
    "table": ("row", "rows"),
    "sequence": ("series", "series"),
    "text": ("text", "texts"),
}
UNUSABLE_SHARE = 0.2
"""Share of unusable samples from which on the verdict is an alarm."""


@dataclass(frozen=True)
class Card:
    """A data card: ``facts`` are the plain values of the audit, ``page`` shows them."""

    facts: dict[str, Any]
    page: Page

    @classmethod
    def of(cls, audit: Audit, inputs: np.ndarray | None = None, labels: Sequence[str] = ()) -> Card:
        """Return the card of an audit.

        Args:
            audit: of any kind of source.
            inputs: the stored pictures for a contact sheet, ``N x H x W [x C]`` uint8; None for
                none.
            labels: one a picture: the name of its class, or a number as text.
        """
        pictures = [] if inputs is None else contact_sheet(inputs, labels, audit.classes)
        return cls(audit.to_dict(), card(audit, pictures))


def card(audit: Audit, pictures: Sequence[Picture] = ()) -> Page:
    """Return the page of an audit.

    Args:
        audit: of any kind of source.
        pictures: a contact sheet, see ``contact_sheet``.
    """
    blocks: list[Block] = [
        _verdict(audit),
        *(Text(warning, "note") for warning in audit.warnings),
        *(Text(note) for note in audit.notes),
        *_classes(audit),
        *_sheets(pictures),
        *_images(audit),
        *_features(audit),
        *_rejected(audit),
        *_treated(audit),
        *_equal(audit),
        *_label_errors(audit),
        *_unused(audit),
    ]
    took = f"audited in {audit.seconds:.1f} s" if audit.seconds else "audited before, unchanged"
    return Page(f"Data card: {audit.source}", blocks, took)


def _noun(audit: Audit, count: int) -> str:
    return NOUNS[audit.kind][count != 1]


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _verdict(audit: Audit) -> Verdict:
    out = audit.found - audit.samples
    used = f"{audit.samples:,} of {audit.found:,}" if out else f"All {audit.found:,}"
    what = f"{len(audit.classes)} classes" if audit.classes else _target_name(audit)
    usable = f"{used} {_noun(audit, audit.found)} can be used; {what}"
    details = [
        f"{out:,} rejected" if out else "nothing rejected",
        f"{_count(len(audit.duplicates), 'group')} of equal {_noun(audit, 2)}"
        if audit.duplicates
        else f"no equal {_noun(audit, 2)}",
        *([f"{len(audit.conflicts):,} of them with different labels"] if audit.conflicts else []),
        *(
            [f"{_count(len(audit.label_errors), 'label')} likely wrong"]
            if audit.label_errors
            else []
        ),
    ]
    if out >= UNUSABLE_SHARE * max(audit.found, 1):
        return Verdict(usable, "; ".join(details), "alarm")
    return Verdict(usable, "; ".join(details), "note" if audit.warnings or out else "good")


def _target_name(audit: Audit) -> str:
    return f"{audit.target.name} to be predicted" if audit.target else "numbers to be predicted"


def _classes(audit: Audit) -> Iterator[Block]:
    """Yield the counts of each class by part, or of each part where there are no classes."""
    if not audit.class_counts:
        return
    parts = list(audit.class_counts)
    heads = ["samples" if part == "all" else part for part in parts]
    names = list(dict.fromkeys(name for part in parts for name in audit.class_counts[part]))
    counts = [[audit.class_counts[part].get(name, 0) for part in parts] for name in names]
    several = len(parts) > 1
    rows: list[list[Cell]] = [
        [name, *row, *([sum(row)] if several else [])]
        for name, row in zip(names, counts, strict=True)
    ]
    columns = ["class", *heads, *(["together"] if several else [])]
    formats = dict.fromkeys(columns[1:], ",d")
    total: list[Cell] = ["all", *(sum(column) for column in zip(*counts, strict=True))]
    if several:
        total.append(sum(map(sum, counts)))
    if len(names) > 1:
        rows.append(total)
    yield Heading("Classes" if audit.classes else "Parts", "classes")
    shown = rows if len(rows) <= 2 * LISTED else [*rows[:LISTED], rows[-1]]
    last = [len(shown) - 1] if len(names) > 1 else []
    yield Table(columns, shown, emphasis=last, formats=formats)
    if len(shown) < len(rows):
        yield Fold(f"All {len(names):,} classes", [Table(columns, rows, formats=formats)])


def _sheets(pictures: Sequence[Picture]) -> Iterator[Block]:
    if pictures:
        yield Heading("Contact sheet", "sheet")
        yield from pictures


def _images(audit: Audit) -> Iterator[Block]:
    """Yield what is known of pictures: sizes as found, channels as stored."""
    if audit.sizes is None and not audit.channels and not audit.choices:
        return
    pairs = []
    if len(audit.shape) == 3:
        height, width, channels = audit.shape
        pairs.append(("Stored as", f"{width} x {height} pixels, {channels} channels"))
    pairs += [(key.removeprefix("data."), reason) for key, reason in audit.choices.items()]
    sizes = audit.sizes
    if sizes is not None:
        pairs += [
            ("Sizes found", f"{sizes.distinct:,}"),
            ("Width", _range(sizes.width)),
            ("Height", _range(sizes.height)),
            ("Longer : shorter side", _range([round(value, 2) for value in sizes.aspect])),
        ]
    yield Heading("Pictures" if audit.kind == "image" else "Form", "form")
    yield Facts(pairs)
    if audit.channels:
        yield Table(
            ["channel", "mean", "standard deviation", "smallest", "largest"],
            [[c.name, c.mean, c.std, c.min, c.max] for c in audit.channels],
            caption="Stored pixels, 0 ... 255",
            formats={
                "mean": ".1f",
                "standard deviation": ".1f",
                "smallest": ".0f",
                "largest": ".0f",
            },
        )
    if sizes is not None and sizes.distinct > 1:
        rows: list[list[Cell]] = [[f"{w} x {h}", count] for w, h, count in sizes.common]
        yield Table(
            ["size", "pictures"], rows, caption="The most common sizes", formats={"pictures": ",d"}
        )


def _range(values: Sequence[float]) -> str:
    smallest, middle, largest = values
    if smallest == largest:
        return f"{middle:g}, all"
    return f"{smallest:g} ... {largest:g}, half of them up to {middle:g}"


def _features(audit: Audit) -> Iterator[Block]:
    described = [*audit.features, *([audit.target] if audit.target else [])]
    if not described:
        return
    yield Heading("Columns" if audit.kind == "table" else "Features", "features")
    yield from _listed(
        ["name", "kind", "missing", "distinct", "mean", "std", "smallest", "largest", "note"],
        [_feature_row(feature, feature is audit.target) for feature in described],
        formats=dict.fromkeys(("mean", "std", "smallest", "largest"), ".4g")
        | dict.fromkeys(("missing", "distinct"), ",d"),
    )


def _feature_row(feature: FeatureFacts, is_target: bool) -> list[Cell]:
    common = ", ".join(f"{value} ({count:,})" for value, count in feature.common[:3])
    note = "; ".join(text for text in ("target" if is_target else "", common, feature.note) if text)
    numbers = (feature.mean, feature.std, feature.min, feature.max)
    return [feature.name, feature.kind, feature.missing, feature.distinct, *numbers, note]


def _rejected(audit: Audit) -> Iterator[Block]:
    if not audit.rejected:
        return
    yield Heading("Rejected", "rejected")
    yield Text(f"These {_noun(audit, 2)} are left out; nothing stands in for them.")
    reasons = Counter(row.reason.partition(":")[0] for row in audit.rejected)
    if len(audit.rejected) > LISTED:
        yield Table(["reason", "count"], [list(pair) for pair in reasons.most_common(LISTED)])
    yield from _listed(["name", "reason"], [[row.name, row.reason] for row in audit.rejected])


def _treated(audit: Audit) -> Iterator[Block]:
    if not audit.treated:
        return
    yield Heading("Treated", "treated")
    yield from _listed(
        ["what was done", "count", "for example"],
        [[row.treatment, row.count, ", ".join(row.examples[:3])] for row in audit.treated],
        formats={"count": ",d"},
    )


def _equal(audit: Audit) -> Iterator[Block]:
    if audit.conflicts:
        yield Heading("Equal, with different labels", "conflicts")
        rows: list[list[Cell]] = [
            [
                ", ".join(
                    f"{name} ({label})"
                    for name, label in zip(conflict.names, conflict.labels, strict=True)
                )
            ]
            for conflict in audit.conflicts
        ]
        yield from _listed(["names (labels)"], rows)
    if audit.duplicates:
        yield Heading("Equal", "duplicates")
        across = audit.duplicates_across_parts
        yield Text(
            "Equal samples stay on one side of a split that is drawn here."
            + (f" {_count(across, 'group')} in more than one part of the source." if across else "")
        )
        yield from _listed(["names"], [[", ".join(group)] for group in audit.duplicates])


def _label_errors(audit: Audit) -> Iterator[Block]:
    if not audit.label_errors:
        return
    yield Heading("Labels that are likely wrong", "labels")
    yield Text("To be looked at by a person; nothing is changed or left out because of this.")
    yield from _listed(
        ["name", "label", "rather", "probability"],
        [[row.name, row.given, row.suggested, row.probability] for row in audit.label_errors],
        formats={"probability": ".2f"},
    )


def _unused(audit: Audit) -> Iterator[Block]:
    if audit.unused:
        rows: list[list[Cell]] = [[row.name, row.reason] for row in audit.unused]
        inner: list[Block] = [Table(["name", "reason"], rows[:FOLDED])]
        if len(rows) > FOLDED:
            inner.append(_more(len(rows) - FOLDED))
        yield Fold(f"{_count(len(rows), 'other file')}, not used", inner)


def _listed(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    formats: dict[str, str] | None = None,
) -> Iterator[Block]:
    """Yield a table, the rows after the first ``LISTED`` behind a fold."""
    formats = formats or {}
    yield Table(columns, rows[:LISTED], formats=formats)
    if len(rows) > LISTED:
        inner: list[Block] = [Table(columns, rows[LISTED:FOLDED], formats=formats)]
        if len(rows) > FOLDED:
            inner.append(_more(len(rows) - FOLDED))
        yield Fold(f"{len(rows) - LISTED:,} more", inner)


def _more(count: int) -> Text:
    return Text(f"{count:,} more are listed by --json.")


def contact_sheet(
    inputs: np.ndarray, labels: Sequence[str], classes: Sequence[str] = ()
) -> list[Picture]:
    """Return one strip of stored pictures for each class, evenly spread over the source.

    Args:
        inputs: ``N x H x W [x C]`` uint8, may be memory-mapped: only what is shown is read.
        labels: ``N`` names of classes, or numbers as text.
        classes: in the order to be shown, at most 24 are; empty (regression) shows one strip, from
            the smallest number to the largest.
    """
    named = np.asarray(labels, dtype=object)
    strips = []
    for name in classes[:SHEET_CLASSES] if classes else [""]:
        if classes:
            rows = np.flatnonzero(named == name)
        else:
            rows = np.argsort(named.astype(np.float64), kind="stable")
        if len(rows) == 0:
            continue
        count = min(len(rows), STRIP_PICTURES)
        shown = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
        from_to = f"from {named[shown[0]]} to {named[shown[-1]]}"
        caption = f"{name} ({len(rows):,})" if classes else from_to
        strips.append(_strip(np.asarray(inputs)[shown], caption))
    return strips


def _strip(pictures: np.ndarray, caption: str) -> Picture:
    """Lay pictures side by side."""
    count, height, width = pictures.shape[:3]
    rows = pictures.reshape(count, height, width, -1).transpose(1, 0, 2, 3)
    alternative = f"{_count(count, 'picture')}: {caption}"
    return drawn(rows.reshape(height, count * width, -1), max(height, width), alternative, caption)


def drawn(pixels_HWC: np.ndarray, side: int, alternative: str, caption: str) -> Picture:
    """Return pictures laid out in one array, small ones enlarged and large ones reduced.

    Args:
        pixels_HWC: uint8, of 1 or 3 channels.
        side: of one of the pictures, in pixels.
        alternative: what is to be seen, in words.
        caption: under it.
    """
    image = Image.fromarray(pixels_HWC[..., 0] if pixels_HWC.shape[2] == 1 else pixels_HWC)
    content = io.BytesIO()
    if side <= SHARP_SIDE:
        factor = max(1, STRIP_SIDE // side)
        image = image.resize(
            (image.width * factor, image.height * factor), Image.Resampling.NEAREST
        )
        image.save(content, "PNG", optimize=True)
        return Picture(content.getvalue(), "image/png", alternative, caption, pixelated=True)
    smaller = min(1.0, STRIP_SIDE / side)
    image.thumbnail((max(1, round(image.width * smaller)), max(1, round(image.height * smaller))))
    image.save(content, "JPEG", quality=85)
    return Picture(content.getvalue(), "image/jpeg", alternative, caption)
