"""The data card: what was learnt from, what was left out and why, what looks odd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradatim.charts import class_counts, figures, image_sizes
from gradatim.core.page import Block, Cell, Facts, Fold, Heading, Table, Text
from gradatim.pages.run_folder import RunFolder

ROWS = 12
"""Rows of a list on the page itself; what is much longer goes on behind a fold."""
ALL_ROWS = 500
"""Rows behind a fold; a longer list is in audit.json."""


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the section; nothing when the data were not audited."""
    audit = run.audit
    if audit is None:
        return
    yield Heading("Data", "data")
    origin = (run.split or {}).get("origin")
    for note in audit.get("notes") or []:
        if note != f"Split: {origin}.":  # told below
            yield Text(str(note))
    for warning in audit.get("warnings") or []:
        yield Text(str(warning), "note")
    yield Facts(list(_facts(run, audit)))
    counts = audit.get("class_counts") or {}
    if audit.get("classes") and counts:
        yield class_counts.chart(counts)
    sizes = audit.get("sizes")
    if sizes and sizes["distinct"] > 1:
        yield image_sizes.chart(sizes)
    if audit.get("features"):
        yield from listed(*_features(audit["features"]))
    yield from listed(
        "Not used",
        ["sample", "reason"],
        [[row["name"], row["reason"]] for row in audit.get("rejected") or []],
    )
    yield from listed(
        "Changed on the way in",
        ["treatment", "samples", "for example"],
        [
            [row["treatment"], row["count"], ", ".join(row.get("examples") or [])]
            for row in audit.get("treated") or []
        ],
    )
    yield from listed(
        "Labels that are likely wrong",
        ["sample", "labelled", "looks like", "probability"],
        [
            [row["name"], row["given"], row["suggested"], figures.percent(row["probability"], 0)]
            for row in audit.get("label_errors") or []
        ],
    )
    yield from listed(
        "Equal samples with different labels",
        ["samples", "labels"],
        [
            [" = ".join(row["names"]), ", ".join(row["labels"])]
            for row in audit.get("conflicts") or []
        ],
    )
    yield from listed(
        "Equal samples",
        ["kept together on one side of the split"],
        [[" = ".join(group)] for group in audit.get("duplicates") or []],
    )


def listed(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[Block]:
    """Yield a table of its first rows and a fold with all; nothing for no row."""
    if not rows:
        return
    folded = len(rows) > 1.5 * ROWS
    title = f"{caption} ({len(rows):,})"
    yield Table(columns, rows[:ROWS] if folded else rows, caption=title)
    if folded:
        inner: list[Block] = [Table(columns, rows[:ALL_ROWS])]
        if len(rows) > ALL_ROWS:
            inner.append(Text(f"{len(rows) - ALL_ROWS:,} more are in audit.json."))
        yield Fold(f"All {len(rows):,}: {caption[0].lower()}{caption[1:]}", inner)


def _facts(run: RunFolder, audit: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Source", str(audit.get("source") or run.source)
    used, found = audit.get("samples"), audit.get("found")
    if used is not None:
        left_out = f" of {found:,} found" if found and found != used else ""
        yield "Used", f"{used:,} {run.noun(used)}{left_out}"
    origin = (run.split or {}).get("origin")
    if run.samples or origin:
        shown = ", ".join(f"{n:,} {part}" for part, n in run.samples.items())
        yield "Split", "; ".join(text for text in (shown, str(origin or "")) if text)
    yield from _shape(audit)
    if target := audit.get("target"):
        yield "Target", _range(target, run.target[1])
    if groups := audit.get("duplicates"):
        across = audit.get("duplicates_across_parts") or 0
        crossing = f", {across} in more than one part of the source" if across else ""
        yield "Equal samples", f"{len(groups):,} groups{crossing}"
    reasons = run.recipe.get("reasons") or {}
    for key, reason in (audit.get("choices") or {}).items():
        if key not in reasons:  # else told with the recipe
            yield key, str(reason)


def _shape(audit: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shape = audit.get("shape") or []
    if len(shape) == 3:
        yield "Stored as", f"{shape[0]} x {shape[1]} pixels, {_channels(shape[2])}"
    elif len(shape) == 2:
        yield "Stored as", f"{shape[0]:,} steps of {shape[1]:,} numbers, at most"
    elif len(shape) == 1 and audit.get("kind") == "text":
        unit = (audit.get("features") or [{}])[0].get("name", "tokens")
        yield "Stored as", f"{shape[0]:,} {unit}, at most"
    elif len(shape) == 1:
        yield "Stored as", f"{shape[0]} numbers" if shape[0] != 1 else "1 number"
    sizes = audit.get("sizes")
    if sizes and sizes["distinct"] == 1:
        yield "Size as found", f"{sizes['width'][1]} x {sizes['height'][1]} pixels, all"
    for channel in audit.get("channels") or []:
        yield (
            f"Channel {channel['name']}",
            f"mean {figures.minus(channel['mean'], 1)}, standard deviation "
            f"{figures.minus(channel['std'], 1)}, from {figures.minus(channel['min'], 0)} to "
            f"{figures.minus(channel['max'], 0)}",
        )


def _channels(count: int) -> str:
    return {1: "grey", 3: "colour"}.get(count, f"{count} channels")


def _range(target: Mapping[str, Any], unit: str) -> str:
    if target.get("mean") is None:
        return str(target["name"])
    shown = [figures.significant(target[key]) for key in ("mean", "std", "min", "max")]
    text = "{}: mean {}, standard deviation {}, from {} to {}".format(target["name"], *shown)
    return f"{text} {unit}".rstrip()


def _features(features: Sequence[Mapping[str, Any]]) -> tuple[str, list[str], list[list[Cell]]]:
    columns = ["feature", "kind", "missing", "distinct", "mean", "std", "min", "max", "note"]
    rows: list[list[Cell]] = [
        [
            str(row["name"]),
            str(row["kind"]),
            row.get("missing") or 0,
            row.get("distinct"),
            *(figures.significant(row.get(key)) for key in ("mean", "std", "min", "max")),
            row.get("note") or ", ".join(f"{v} {n:,}" for v, n in (row.get("common") or [])[:3]),
        ]
        for row in features
    ]
    if not any(row[-1] for row in rows):
        return "Features", columns[:-1], [row[:-1] for row in rows]
    return "Features", columns, rows
