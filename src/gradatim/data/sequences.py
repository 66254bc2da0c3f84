"""From series of steps to audited samples: cut, filled up, and checked."""

from __future__ import annotations

import numpy as np

from gradatim.core.recipe import DataRecipe
from gradatim.data.arrays import equality_warnings, refuse_image_keys
from gradatim.data.audit import Audit, Rejection, class_warnings, count_classes, duplicate_facts
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
from gradatim.data.padded import fill_up, lengths_of
from gradatim.data.raw import RawSequences
from gradatim.errors import EmptySourceError, ValueRefusedError

LONGEST = 1000
"""Steps of a sample at most, unless the recipe says otherwise."""
MOST_FEATURES_FACTS = 200
"""Each of at most this many features is described in the audit."""


def choose_length(lengths: np.ndarray, asked: int | None, what: str) -> tuple[int, str]:
    """Return at how many steps (or tokens) samples are cut, and why.

    Raises:
        ValueRefusedError: the recipe asks for less than one.
    """
    if asked is not None:
        if asked < 1:
            raise ValueRefusedError("data.length is out of range", given=asked, allowed="1 or more")
        return asked, "as asked for"
    longest = int(lengths.max(initial=1))
    if longest <= LONGEST:
        return longest, f"the longest sample has {longest:,} {what}"
    return LONGEST, f"longer samples, up to {longest:,} {what}, are cut there"


def gather_sequences(raw: RawSequences, data: DataRecipe) -> Gathered:
    """Audit series and bring them to their stored form.

    Missing values stay missing here; as model inputs they are the mean. Series without any value,
    with infinite ones, or without a target, are left out and listed.

    Raises:
        UsageError: the recipe asks for what only images can have.
        EmptySourceError: no series can be used.
    """
    refuse_image_keys(raw.name, "series", data)
    count = len(raw.sequences)
    parts = np.full(count, None, dtype=object) if raw.parts is None else raw.parts
    names = list(raw.names) or row_names(parts)
    bad = {
        row: reason
        for row, (sequence, target) in enumerate(zip(raw.sequences, raw.targets, strict=True))
        if (reason := _unusable(sequence, float(target)))
    }
    rejected = [*raw.rejected, *((names[row], reason) for row, reason in bad.items())]
    kept = [row for row in range(count) if row not in bad]
    if not kept:
        raise EmptySourceError("the source has no usable series", given=raw.name)
    sequences = [_without_end(raw.sequences[row]) for row in kept]
    lengths = np.array([len(sequence) for sequence in sequences])
    length, reason = choose_length(lengths, None if raw.length else data.length, "steps")
    inputs = fill_up(sequences, length)
    targets = raw.targets[kept].astype(np.int64 if raw.classes else np.float32)
    parts = parts[kept]
    labels, label_parts, columns = counted_parts(targets, raw.classes, parts)
    counts = count_classes(labels, label_parts, columns)
    hashes = digests(inputs)
    told = labels if raw.classes else [repr(float(value)) for value in targets]
    equal = duplicate_facts(hashes, [names[row] for row in kept], told, label_parts)
    cut = int((lengths > length).sum())
    audit = Audit(
        source=raw.name,
        kind="sequence",
        samples=len(kept),
        found=count + len(raw.rejected),
        task="classification" if raw.classes else "regression",
        classes=raw.classes,
        class_counts=counts,
        target=None if raw.classes else value_facts(raw.target or "target", targets),
        features=tuple(
            value_facts(name, inputs[..., column][np.arange(length) < lengths[:, None]])
            for column, name in enumerate(feature_names(raw.features, inputs.shape[2]))
            if column < MOST_FEATURES_FACTS
        ),
        shape=inputs.shape[1:],
        choices={key: text for key, text in raw.reasons.items() if text},
        rejected=tuple(Rejection(*row) for row in rejected),
        warnings=(
            *(class_warnings(counts) if raw.classes else ()),
            *([f"{cut:,} series are cut at {length:,} steps."] if cut else []),
            *_constant(inputs, raw.features),
            *equality_warnings(equal),
        ),
        notes=(*map(sentence, raw.notes), _lengths_note(lengths, "steps")),
        **equal,
    )
    choices: dict[str, tuple[object, str]] = {"data.length": (raw.length or length, reason)}
    if "data.task" in raw.reasons:
        choices["data.task"] = (audit.task, raw.reasons["data.task"])
    if raw.layout is not None:
        choices["data.target"] = (raw.target, raw.reasons.get("data.target", ""))
        choices["data.series"] = (raw.layout.series, "its name, and one target a series")
        if raw.layout.time:
            choices["data.time"] = (raw.layout.time, "its name")
    return Gathered(
        name=raw.name,
        kind="sequence",
        targets=targets,
        classes=raw.classes,
        names=[names[row] for row in kept],
        groups=group_numbers(hashes),
        parts=parts,
        audit=audit,
        key=fingerprint(inputs, targets, *raw.classes, *(part or "" for part in parts)),
        inputs=inputs,
        features=raw.features,
        layout=raw.layout,
        target=raw.target,
        choices=choices,
    )


def feature_names(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return the names of the features, counted where they have none."""
    return names or tuple(f"feature {number + 1}" for number in range(count))


def _unusable(sequence: np.ndarray, target: float) -> str:
    """Return why a series cannot be used; nothing when it can."""
    if not np.isfinite(target):
        return "its target is not a finite number"
    if len(sequence) == 0 or np.isnan(sequence).all():
        return "it holds no values"
    return "it holds infinite values" if np.isinf(sequence).any() else ""


def _without_end(sequence: np.ndarray) -> np.ndarray:
    """Return a series without the steps at its end that hold no value."""
    return sequence[: int(lengths_of(sequence[None])[0])]


def _constant(inputs: np.ndarray, features: tuple[str, ...]) -> list[str]:
    names = feature_names(features, inputs.shape[2])
    flat = inputs.reshape(-1, inputs.shape[2])
    constant = [
        name
        for name, values in zip(names, flat.T, strict=True)
        if np.nanmin(values, initial=np.inf) >= np.nanmax(values, initial=-np.inf)
    ]
    return [f"Features with one value only say nothing: {listed(constant)}."] if constant else []


def _lengths_note(lengths: np.ndarray, what: str) -> str:
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest == longest:
        return f"Every sample has {longest:,} {what}."
    return (
        f"Samples have {shortest:,} to {longest:,} {what}, {np.median(lengths):,.0f} in the middle."
    )
