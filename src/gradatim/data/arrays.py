"""From arrays in memory to audited samples: images fitted to a square, vectors checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradatim.core.recipe import DataRecipe
from gradatim.core.talk import Talk
from gradatim.data.audit import (
    Audit,
    Rejection,
    SizeFacts,
    Treatment,
    class_warnings,
    count_classes,
    duplicate_facts,
)
from gradatim.data.decode import Policy, fit_to, to_channels
from gradatim.data.gathered import (
    Gathered,
    counted_parts,
    digests,
    fingerprint,
    group_numbers,
    listed,
    row_names,
    sentence,
    value_facts,
)
from gradatim.data.images import channel_facts
from gradatim.data.larger import check_without_files
from gradatim.data.raw import RawArrays
from gradatim.data.sizes import (
    LARGEST_SIZE,
    SMALLEST_SIZE,
    choose_channels,
    choose_shape,
    choose_size,
)
from gradatim.data.statistics import histogram
from gradatim.errors import DataError, EmptySourceError, UsageError, ValueRefusedError

FEW_COMBINATIONS = 10
"""Rows are equal by chance, not as copies, when there are fewer than this many times as many
combinations of values as rows ..."""

FEW_VALUES = 0.2
"""... and no column has different values in more than this share of the rows."""

MOST_FEATURES_FACTS = 200
"""Each of at most this many features is described in the audit."""


def gather_arrays(raw: RawArrays, data: DataRecipe, talk: Talk) -> Gathered:
    """Audit arrays and bring images to their stored form.

    Rows that hold NaN or infinity, in the inputs or the target, are left out and listed.

    Raises:
        UsageError: the recipe asks for what these data cannot be.
        EmptySourceError: no row can be used.
    """
    _check_request(raw, data)
    images = raw.inputs.ndim in (3, 4)
    count = len(raw.targets)
    if count != len(raw.inputs):
        raise DataError(f"{len(raw.inputs):,} inputs, but {count:,} targets", given=raw.name)
    parts = np.full(count, None, dtype=object) if raw.parts is None else raw.parts
    names = row_names(parts)
    inputs = raw.inputs[..., None] if raw.inputs.ndim == 3 else raw.inputs
    kept, rejected = _finite(inputs, raw.targets, names)
    if rejected:
        inputs, names, parts = inputs[kept], [names[row] for row in kept], parts[kept]
    targets = raw.targets[kept].astype(np.int64 if raw.classes else np.float32)
    if len(targets) == 0:
        raise EmptySourceError("the source has no usable samples", given=raw.name)
    labels, label_parts, columns = counted_parts(targets, raw.classes, parts)
    counts = count_classes(labels, label_parts, columns)
    audit = Audit(
        source=raw.name,
        kind="image" if images else "vector",
        samples=len(names),
        found=count,
        task="classification" if raw.classes else "regression",
        classes=raw.classes,
        class_counts=counts,
        target=None if raw.classes else value_facts(raw.target or "target", targets),
        rejected=tuple(rejected),
        warnings=tuple(class_warnings(counts)) if raw.classes else (),
        notes=tuple(sentence(note) for note in raw.notes),
    )
    gathered = Gathered(
        name=raw.name,
        kind="image" if images else "vector",
        targets=targets,
        classes=raw.classes,
        names=names,
        groups=np.arange(len(names)),
        parts=parts,
        audit=audit,
        key="",
        inputs=inputs,
        pixel_range=raw.pixel_range,
        features=raw.features,
        target=raw.target,
        unit=raw.unit,
    )
    gathered = _fit_images(gathered, data, talk) if images else _describe_vectors(gathered)
    assert gathered.inputs is not None
    return replace(
        gathered,
        key=fingerprint(gathered.inputs, targets, *raw.classes, *(part or "" for part in parts)),
    )


def _check_request(raw: RawArrays, data: DataRecipe) -> None:
    """Refuse keys of the recipe that these data cannot follow."""
    if data.target is not None:
        raise UsageError(
            f"a target column is for tables; {raw.name} has its own target",
            given=data.target,
            next_step="leave the target out",
        )
    own = "classification" if raw.classes else "regression"
    if data.task not in (None, own):
        raise UsageError(f"{raw.name} is a {own}", given=data.task, allowed=own)
    if raw.inputs.ndim == 2:
        refuse_image_keys(raw.name, "vectors", data)


def refuse_image_keys(name: str, kind: str, data: DataRecipe) -> None:
    """Refuse keys of the recipe that only images can follow.

    Raises:
        UsageError: one of them is set.
    """
    for key in ("size", "shape", "channels", "order", "crop_from"):
        if getattr(data, key) is not None:
            raise UsageError(
                f"data.{key} is for images; the samples of {name} are {kind}",
                given=getattr(data, key),
                next_step=f"leave data.{key} out",
            )


def _finite(
    inputs: np.ndarray, targets: np.ndarray, names: list[str]
) -> tuple[np.ndarray, list[Rejection]]:
    """Return the rows that hold numbers only, and the others with the reason."""
    good = np.ones(len(targets), dtype=bool)
    reasons: dict[int, str] = {}
    if inputs.dtype.kind == "f":
        bad = ~np.isfinite(inputs).all(axis=tuple(range(1, inputs.ndim)))
        good &= ~bad
        reasons |= dict.fromkeys(np.flatnonzero(bad).tolist(), "holds NaN or infinity")
    if targets.dtype.kind == "f":
        bad = ~np.isfinite(targets)
        good &= ~bad
        reasons |= dict.fromkeys(np.flatnonzero(bad).tolist(), "its target is NaN or infinite")
    rejected = [Rejection(names[row], reason) for row, reason in sorted(reasons.items())]
    return np.flatnonzero(good), rejected


def _fit_images(gathered: Gathered, data: DataRecipe, talk: Talk) -> Gathered:
    """Bring images to the size, shape and channels of the recipe, or keep them as they are."""
    images = gathered.inputs
    assert images is not None
    count, height, width, channels = images.shape
    policy, reasons = _policy(images, data)
    check_without_files(gathered.name, policy.size, data)
    treated = []
    if (height, width, channels) != (policy.size, policy.size, policy.channels):
        fitted = np.empty((count, policy.size, policy.size, policy.channels), np.uint8)
        with talk.track("resizing images", count, "images") as bar:
            for row, image in enumerate(images):
                of_channels = to_channels(image, policy.channels)
                fitted[row] = fit_to(of_channels, policy.size, policy.shape, policy.interpolation)
                if row % 1000 == 999 or row + 1 == count:
                    bar.update(row + 1)
        treated.append(
            Treatment(
                f"{width} x {height} pixels with {channels} channels brought to "
                f"{policy.size} x {policy.size} with {policy.channels}",
                count,
            )
        )
        images = fitted
    hashes = digests(images)
    labels, parts, _ = counted_parts(gathered.targets, gathered.classes, gathered.parts)
    equal = duplicate_facts(hashes, gathered.names, _labels(gathered, labels), parts)
    audit = replace(
        gathered.audit,
        sizes=SizeFacts(
            distinct=1,
            width=(width, width, width),
            height=(height, height, height),
            aspect=(max(width, height) / min(width, height),) * 3,
            common=((width, height, count),),
        ),
        channels=channel_facts(histogram(images, np.arange(count))),
        shape=images.shape[1:],
        choices=reasons,
        treated=tuple(treated),
        warnings=(*gathered.audit.warnings, *equality_warnings(equal)),
        **equal,
    )
    values = {"size": policy.size, "shape": policy.shape, "channels": policy.channels}
    return replace(
        gathered,
        inputs=images,
        audit=audit,
        groups=group_numbers(hashes),
        policy=policy,
        choices={f"data.{k}": (v, reasons.get(f"data.{k}", "")) for k, v in values.items()},
    )


def _labels(gathered: Gathered, labels: list[str]) -> list[str]:
    """Return the labels whose difference makes equal samples a conflict."""
    return labels if gathered.classes else [repr(float(value)) for value in gathered.targets]


def equality_warnings(equal: dict[str, Any]) -> list[str]:
    """Say what equal samples mean for a measurement."""
    warnings = []
    if equal.get("duplicates_across_parts"):
        warnings.append(
            f"{equal['duplicates_across_parts']:,} samples are in more than one part of the "
            "source; their copies are left out of training."
        )
    conflicts = equal.get("conflicts", ())
    if conflicts:
        warnings.append(f"{len(conflicts):,} samples occur with different labels.")
    return warnings


def _policy(images: np.ndarray, data: DataRecipe) -> tuple[Policy, dict[str, str]]:
    """Return what images are fitted to, and why, where the recipe leaves it open."""
    if data.size is not None and not SMALLEST_SIZE <= data.size <= LARGEST_SIZE:
        raise ValueRefusedError(
            "data.size is out of range",
            given=data.size,
            allowed=f"{SMALLEST_SIZE} ... {LARGEST_SIZE} pixels",
        )
    if data.channels not in (None, 1, 3):
        raise ValueRefusedError(
            "data.channels is not possible", given=data.channels, allowed="1 (grey) or 3 (colour)"
        )
    sizes = np.array([[images.shape[2], images.shape[1]]])
    reasons = {}
    shape, size, channels = data.shape, data.size, data.channels
    if shape is None:
        shape, reasons["data.shape"] = choose_shape(sizes)
    if size is None:
        size, reasons["data.size"] = choose_size(sizes, shape)
    if channels is None:
        channels, reasons["data.channels"] = choose_channels(_grey(images))
    return Policy(size, shape, channels, data.interpolation or "bicubic"), reasons


def _grey(images: np.ndarray) -> np.ndarray:
    """Return for each image whether it holds no colour."""
    if images.shape[-1] == 1:
        return np.ones(len(images), dtype=bool)
    grey = np.empty(len(images), dtype=bool)
    for start in range(0, len(images), 1024):
        block = images[start : start + 1024]
        equal = (block[..., :1] == block).all(axis=(1, 2, 3))
        grey[start : start + 1024] = equal
    return grey


def _describe_vectors(gathered: Gathered) -> Gathered:
    """Find equal rows and constant features, and summarise each feature."""
    vectors = gathered.inputs
    assert vectors is not None
    vectors = vectors.astype(np.float32)
    width = vectors.shape[1]
    names = gathered.features or tuple(f"feature {number + 1}" for number in range(width))
    constant = [names[column] for column in np.flatnonzero(np.ptp(vectors, axis=0) == 0)]
    warnings = list(gathered.audit.warnings)
    if constant:
        warnings.append(f"Features with one value only say nothing: {listed(constant)}.")
    distinct = [len(np.unique(vectors[:, column])) for column in range(min(width, 20))]
    fields, groups, notes = equal_rows(gathered, digests(vectors), distinct if width <= 20 else [])
    shown = range(min(width, MOST_FEATURES_FACTS))
    audit = replace(
        gathered.audit,
        features=tuple(value_facts(names[column], vectors[:, column]) for column in shown),
        shape=(width,),
        warnings=(*warnings, *equality_warnings(fields)),
        notes=(*gathered.audit.notes, *notes),
        **fields,
    )
    return replace(gathered, inputs=vectors, audit=audit, groups=groups)


def equal_rows(
    gathered: Gathered, hashes: list[bytes], distinct: list[int]
) -> tuple[dict[str, Any], np.ndarray, list[str]]:
    """Return what the audit tells of equal rows, their groups, and notes.

    Rows of few values are equal by chance; then they are neither listed nor kept together.

    Args:
        gathered: names, targets and parts of the rows.
        hashes: one a row.
        distinct: number of different values of each column; empty when there are many columns.
    """
    groups = group_numbers(hashes)
    rows = len(hashes)
    combinations = float(np.prod(np.array(distinct, dtype=np.float64))) if distinct else np.inf
    if combinations < FEW_COMBINATIONS * rows and max(distinct) < FEW_VALUES * rows:
        note = (
            f"The features can take only {combinations:,.0f} combinations of values, so equal rows "
            "are no sign of copies."
        )
        return {}, np.arange(rows), [note] if len(set(hashes)) < rows else []
    labels, parts, _ = counted_parts(gathered.targets, gathered.classes, gathered.parts)
    fields = duplicate_facts(hashes, gathered.names, _labels(gathered, labels), parts)
    return fields, groups, []
