"""Where the model errs: confusion, precision and recall by class, the most wrong samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gradatim.charts import confusion, figures
from gradatim.core.page import Block, Cell, Fold, Gallery, Heading, Picture, Table, Text
from gradatim.core.record import Event
from gradatim.pages.run_folder import RunFolder

PAIRS = 8
ROWS = 12
CLASSES = 20
"""Classes up to which each has its row on the page; beyond, the hardest, and all behind a fold."""
PICTURE_BYTES = 60_000
"""Larger pictures are left out, so that a page stays below 3 MB."""


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the section of a model that was measured."""
    if run.test is None or run.metric == "bits-per-character":
        return
    yield Heading("Mistakes", "mistakes")
    yield from measured(run.test)
    worst = (run.record.last("wrong") or {}).get("samples") or []
    if worst:
        yield from _worst(run, worst)


def measured(test: Event) -> Iterator[Block]:
    """Yield what a measurement tells of the classes; nothing for a regression."""
    per_class = test.get("per_class") or []
    classes = [str(row["name"]) for row in per_class]
    if test.get("confusion"):
        yield confusion.chart(classes, test["confusion"])
        yield from _pairs(classes, test["confusion"])
    if per_class:
        yield from _per_class(per_class)


def _pairs(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Iterator[Block]:
    pairs = confusion.most_confused(classes, counts)
    if not pairs:
        yield Text("No test sample was named wrong.")
    elif len(classes) > 2:
        rows: list[list[Cell]] = [
            [true, said, n, figures.percent(share)] for true, said, n, share in pairs[:PAIRS]
        ]
        columns = ["true class", "taken for", "times", "of its class"]
        yield Table(columns, rows, caption="Most frequent mistakes")


def _per_class(per_class: Sequence[Event]) -> Iterator[Block]:
    caption = "Precision and recall of each class"
    if len(per_class) <= CLASSES:
        yield _classes_table(per_class, caption)
        return
    hardest = sorted(per_class, key=lambda row: _known(row.get("recall")))[:CLASSES]
    yield _classes_table(hardest, f"The {CLASSES} classes with the lowest recall")
    yield Fold(f"All {len(per_class)} classes", [_classes_table(per_class, caption)])


def _known(value: float | None) -> float:
    """Sort what could not be measured last."""
    return 2.0 if value is None else float(value)


def _classes_table(per_class: Sequence[Event], caption: str) -> Table:
    rows: list[list[Cell]] = [
        [
            str(row["name"]),
            figures.percent(row.get("precision")),
            figures.percent(row.get("recall")),
            row.get("support"),
        ]
        for row in per_class
    ]
    return Table(["class", "precision", "recall", "test samples"], rows, caption=caption)


def _worst(run: RunFolder, samples: Sequence[Event]) -> Iterator[Block]:
    noun = run.noun(len(samples))
    if run.is_regression:
        caption = f"Farthest off: {len(samples)} test {noun}"
        columns = ["sample", "true", "predicted"]
    else:
        caption = f"Most wrong: {len(samples)} test {noun} named wrong, the surest first"
        columns = ["sample", "true class", "said, with probability"]
    pictures = [found for sample in samples if (found := _picture(run.path, sample)) is not None]
    if pictures:
        yield Gallery(pictures, caption=caption)
        return
    rows: list[list[Cell]] = [
        [str(sample["name"]), *_told(sample, " · ")] for sample in samples[:ROWS]
    ]
    yield Table(columns, rows, caption=caption)


def _told(sample: Event, between: str) -> tuple[str, str]:
    """Return what is true of a sample, and what the model said."""
    if "probabilities" not in sample:
        return figures.significant(sample["true"], 4), figures.significant(sample["predicted"], 4)
    return str(sample["true"]), between.join(_said(sample))


def _said(sample: Event) -> list[str]:
    """Return the likeliest classes with their probabilities; those below 1 % say nothing."""
    told = [(name, float(p)) for name, p in sample["probabilities"] if float(p) >= 0.01]
    return [f"{name}: {figures.percent(p, 0)}" for name, p in told]


def _picture(folder: Path, sample: Event) -> Picture | None:
    """Return a sample's picture, where the run folder holds it."""
    place = sample.get("picture")
    if not place or ".." in Path(place).parts or Path(place).is_absolute():
        return None
    path = folder / place
    if not path.is_file() or path.stat().st_size > PICTURE_BYTES:
        return None
    content = path.read_bytes()
    true, said = _told(sample, "\n")
    named = "probabilities" in sample
    head = f"{true}, not {sample['predicted']}" if named else f"{true} was said to be"
    return Picture(
        content,
        "image/png",
        alternative=f"{sample['name']}, in truth {true}",
        caption=f"{head}\n{said}\n{sample['name']}",
        pixelated=_width(content) < 64,
    )


def _width(png: bytes) -> int:
    """Return the width a PNG file declares in its header."""
    return int.from_bytes(png[16:20], "big")
