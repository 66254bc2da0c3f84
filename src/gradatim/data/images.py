"""From image files to stored pictures and their audit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gradatim.core.talk import SILENCE, Talk
from gradatim.data.audit import (
    Audit,
    ChannelFacts,
    Rejection,
    SizeFacts,
    Treatment,
    class_warnings,
    count_classes,
    duplicate_facts,
    printable,
)
from gradatim.data.cache import cache_folder
from gradatim.data.dataset import Part
from gradatim.data.decode import FORMATS, TREATMENTS, Interpolation, Policy
from gradatim.data.facts import Facts
from gradatim.data.larger import Larger
from gradatim.data.raw import RawImages
from gradatim.data.sizes import (
    LARGEST_SIZE,
    SMALLEST_SIZE,
    choose_channels,
    choose_shape,
    choose_size,
    side_of,
)
from gradatim.data.store import Store, open_or_build
from gradatim.errors import EmptySourceError, TooFewClassesError, ValueRefusedError

Task = Literal["classification", "regression"]

EXAMPLES = 5
COMMON_SIZES = 12


@dataclass(frozen=True)
class ImageSet:
    """Usable pictures, decoded and stored, with what was found on the way.

    Attributes:
        inputs: ``K x size x size x channels`` uint8, memory-mapped.
        kept: ``K`` int64, positions of the usable files among those of the source.
        names: ``K`` printable paths relative to the source.
        labels: ``K`` labels as the source gave them.
        parts: ``K`` parts as the source gave them.
        groups: ``K`` int64; equal pictures share a number.
        classes: sorted names of the classes with at least one usable picture; empty for regression.
        policy: what the pictures were fitted to.
        reasons: why, by key of the recipe: ``data.size``, ``data.shape``, ``data.channels``.
        audit: what is in the source and what is wrong with it.
        key: fingerprint of content and policy; labels and parts are not in it.
        larger: the same pictures at a larger side, stored when they are asked for.
    """

    inputs: np.ndarray
    kept: np.ndarray
    names: list[str]
    labels: list[str]
    parts: list[Part | None]
    groups: np.ndarray
    classes: tuple[str, ...]
    policy: Policy
    reasons: dict[str, str]
    audit: Audit
    key: str
    larger: Larger


def prepare_images(
    raw: RawImages,
    *,
    size: int | None = None,
    shape: Literal["crop", "letterbox"] | None = None,
    channels: int | None = None,
    interpolation: Interpolation = "bicubic",
    task: Task = "classification",
    talk: Talk = SILENCE,
    cache: Path | None = None,
) -> ImageSet:
    """Decode and store the pictures of a source, and audit them in the same pass.

    Args:
        raw: the files with labels and parts.
        size: side of the square in pixels; chosen from the sizes of all pictures when None.
        shape: ``crop`` or ``letterbox``; chosen likewise.
        channels: 1 or 3; 1 when no picture holds colour.
        interpolation: filter by which they are resized.
        task: what is learnt.
        talk: where progress goes.
        cache: the cache folder; that of the platform when None.

    Raises:
        ValueRefusedError: size or channels are out of range.
        EmptySourceError: no file can be used.
        TooFewClassesError: fewer than two classes have a usable picture.
        DiskError: the cache cannot be written.
    """
    _check(size, channels)
    cache = cache or cache_folder()

    def choose(sizes: np.ndarray, grey: np.ndarray) -> Policy:
        return _choose(sizes, grey, size, shape, channels, interpolation)[0]

    store = open_or_build(raw.files, raw.root, raw.name, choose, cache, talk)
    facts, kept = store.facts, store.facts.kept
    every_name = relative_names(raw.files, raw.root)
    if len(kept) == 0:
        raise _nothing_usable(raw, every_name, facts)
    names = [every_name[row] for row in kept]
    labels = [raw.labels[row] for row in kept]
    parts = [raw.parts[row] for row in kept]
    classes = tuple(sorted(set(labels))) if task == "classification" else ()
    if task == "classification" and len(classes) < 2:
        raise TooFewClassesError(
            f"only one class has usable pictures ({classes[0]}): nothing to tell apart",
            given=raw.root,
            next_step="`gradatim audit` lists the rejected files with their reasons",
        )
    sizes, grey = facts.sizes[kept], facts.grey[kept]
    policy, reasons = _choose(sizes, grey, size, shape, channels, interpolation)
    audit = _audit(raw, store, every_name, (names, labels, parts), classes, task, reasons)
    middle = side_of(sizes, policy.shape)
    larger = Larger(raw.files, raw.root, raw.name, cache, policy, facts.key, kept, middle, talk)
    return ImageSet(
        inputs=store.pixels,
        kept=kept,
        names=names,
        labels=labels,
        parts=parts,
        groups=np.unique(facts.pixels[kept], axis=0, return_inverse=True)[1].reshape(-1),
        classes=classes,
        policy=policy,
        reasons=reasons,
        audit=audit,
        key=store.key,
        larger=larger,
    )


def relative_names(files: Iterable[Path], root: Path) -> list[str]:
    """Return printable names relative to the root; what lies elsewhere keeps its whole path."""
    prefix = os.path.join(os.fspath(root), "")  # noqa: PTH118 - Path drops the last separator
    names = (os.fspath(file).removeprefix(prefix) for file in files)
    return [printable(name.replace(os.sep, "/")) for name in names]


def _check(size: int | None, channels: int | None) -> None:
    if size is not None and not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise ValueRefusedError(
            "data.size is out of range",
            given=size,
            allowed=f"{SMALLEST_SIZE} ... {LARGEST_SIZE} pixels",
        )
    if channels not in (None, 1, 3):
        raise ValueRefusedError(
            "data.channels is not possible", given=channels, allowed="1 (grey) or 3 (colour)"
        )


def _choose(
    sizes: np.ndarray,
    grey: np.ndarray,
    size: int | None,
    shape: Literal["crop", "letterbox"] | None,
    channels: int | None,
    interpolation: Interpolation,
) -> tuple[Policy, dict[str, str]]:
    """Fill in what was not given, with the reasons."""
    reasons = {}
    if shape is None:
        shape, reasons["data.shape"] = choose_shape(sizes)
    if size is None:
        size, reasons["data.size"] = choose_size(sizes, shape)
    if channels is None:
        channels, reasons["data.channels"] = choose_channels(grey)
    return Policy(size, shape, channels, interpolation), reasons


def _nothing_usable(raw: RawImages, names: Sequence[str], facts: Facts) -> EmptySourceError:
    shown = [f"{names[row]} ({reason})" for row, reason in list(facts.reasons.items())[:3]]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return EmptySourceError(
        f"none of the {len(names):,} files can be used as a picture: {'; '.join(shown)}{more}",
        given=raw.root,
        next_step="replace the files named above",
    )


def _audit(
    raw: RawImages,
    store: Store,
    every_name: Sequence[str],
    used: tuple[list[str], list[str], list[Part | None]],
    classes: tuple[str, ...],
    task: Task,
    reasons: Mapping[str, str],
) -> Audit:
    names, labels, parts = used
    facts, policy = store.facts, store.policy
    kept = facts.kept
    columns = classes if task == "classification" else ("samples",)
    counted = labels if task == "classification" else ["samples"] * len(labels)
    counts = count_classes(counted, parts, columns)
    digests = [digest.tobytes() for digest in facts.pixels[kept]]
    equal = duplicate_facts(digests, names, labels, parts)
    rejected = tuple(Rejection(every_name[row], why) for row, why in facts.reasons.items())
    treated = _treated(facts, policy, every_name)
    return Audit(
        source=raw.name,
        kind="image",
        samples=len(names),
        found=len(raw.files),
        task=task,
        classes=classes,
        class_counts=counts,
        sizes=size_facts(facts.sizes[kept]),
        channels=channel_facts(store.histogram),
        shape=(policy.size, policy.size, policy.channels),
        choices=dict(reasons),
        rejected=rejected,
        unused=tuple(Rejection(name, reason) for name, reason in raw.unused),
        treated=treated,
        **equal,
        warnings=(
            *_rejection_warnings(len(rejected), len(raw.files)),
            *(class_warnings(counts) if task == "classification" else ()),
            *_equality_warnings(equal["duplicates_across_parts"], len(equal["conflicts"])),
            *(
                f"{_pictures(some.count)}: {some.treatment}."
                for some in treated
                if some.treatment == TREATMENTS["16-bit-dark"]
            ),
        ),
        notes=tuple(raw.notes),
        seconds=store.seconds,
    )


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _rejection_warnings(rejected: int, found: int) -> list[str]:
    if rejected == 0:
        return []
    return [f"{rejected:,} of {found:,} files cannot be used ({rejected / found:.1%})."]


def _equality_warnings(across: int, conflicts: int) -> list[str]:
    warnings = []
    if across:
        warnings.append(
            f"{_pictures(across)} in more than one part of the source: what is measured on them "
            "flatters the model."
        )
    if conflicts:
        warnings.append(f"{_pictures(conflicts)} more than once with different labels.")
    return warnings


def _treated(facts: Facts, policy: Policy, names: Sequence[str]) -> tuple[Treatment, ...]:
    """List every treatment that any used picture got, with examples."""
    kept = facts.kept
    rows = {text: facts.treatment(name) for name, text in TREATMENTS.items()}
    endings = [(), *FORMATS.values()]
    rows["the ending of the name tells another format: read by its content"] = np.array(
        [row for row in kept if not _fits(names[row], endings[facts.format[row]])], dtype=np.int64
    )
    if policy.channels == 3:
        rows["grey among colour: three equal channels"] = kept[facts.grey[kept]]
    else:
        colour = "colour turned into grey (ITU-R BT.601 luma)"
        rows[colour] = kept[~facts.grey[kept]]
    return tuple(
        Treatment(text, len(some), tuple(names[row] for row in some[:EXAMPLES]))
        for text, some in rows.items()
        if len(some)
    )


def _fits(name: str, endings: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(endings))


def size_facts(sizes: np.ndarray) -> SizeFacts:
    """Summarise sizes of pictures, ``K x 2`` (width, height), ``K`` at least 1."""
    distinct, counts = np.unique(sizes, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:COMMON_SIZES]
    aspect = sizes.max(axis=1) / sizes.min(axis=1)
    return SizeFacts(
        distinct=len(distinct),
        width=_range(sizes[:, 0]),
        height=_range(sizes[:, 1]),
        aspect=(float(aspect.min()), float(np.median(aspect)), float(aspect.max())),
        common=tuple(
            (int(distinct[row, 0]), int(distinct[row, 1]), int(counts[row])) for row in order
        ),
    )


def _range(values: np.ndarray) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())


def channel_facts(histogram: np.ndarray) -> tuple[ChannelFacts, ...]:
    """Return mean, standard deviation and range of each channel from ``channels x 256`` counts."""
    names = ("grey",) if len(histogram) == 1 else ("red", "green", "blue")
    values = np.arange(256, dtype=np.float64)
    found = []
    for name, counts in zip(names, histogram, strict=True):
        mean = float(counts @ values / counts.sum())
        variance = float(counts @ (values - mean) ** 2 / counts.sum())
        present = np.flatnonzero(counts)
        found.append(ChannelFacts(name, mean, variance**0.5, float(present[0]), float(present[-1])))
    return tuple(found)
