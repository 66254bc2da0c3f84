"""From a source to a data set ready to be learnt from.

::

    source -> raw -> audit and store -> split -> statistics of the training part -> prepared
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradatim.core.recipe import DataRecipe, Recipe
from gradatim.core.spec import Spec
from gradatim.core.talk import SILENCE, Talk
from gradatim.data import statistics
from gradatim.data.audit import Audit, LabelError, Rejection, count_classes
from gradatim.data.dataset import PARTS, Prepared, Split
from gradatim.data.gathered import (
    Gathered,
    counted_parts,
    listed,
    sentence,
)
from gradatim.data.gathering import gather
from gradatim.data.padded import fill_up
from gradatim.data.preprocessing import Preprocessing
from gradatim.data.split import draw, limited, limited_per_class
from gradatim.data.stretches import preprocess_text, stretches, with_tokens
from gradatim.errors import DataError, ValueRefusedError

if TYPE_CHECKING:
    from gradatim.data.card import Card


def prepare(
    recipe: Recipe,
    *,
    talk: Talk = SILENCE,
    cache: Path | None = None,
    split: Split | None = None,
) -> tuple[Prepared, Recipe]:
    """Read, audit, split and measure a source, so that models can learn from it.

    Args:
        recipe: its ``data`` section and ``seed`` are used.
        talk: where progress and warnings go.
        cache: the cache folder; that of the platform when None.
        split: the parts of an earlier run; then nothing is drawn, and label errors, which that
            run's audit lists, are not looked for again.

    Returns:
        the data set, and the recipe with size, shape policy, channels, target and task filled in
        where they were open, with the reasons.

    Raises:
        UsageError: the recipe asks for what these data cannot be.
        DataError: the source cannot be used; the message says why and what to do.
    """
    gathered = gather(recipe, talk, cache)
    recipe = _resolved(recipe, gathered)
    if split is None:
        gathered, split = _split(gathered, recipe)
        gathered = _with_label_errors(gathered, talk, recipe.seed)
    else:
        _check_split(split, gathered)
    gathered = _count_parts(gathered, split)
    preprocessing, inputs, gathered = _preprocess(gathered, split)
    preprocessing = _standardised_as_given(preprocessing, recipe.data)
    targets = gathered.targets
    if gathered.task == "regression":
        values = targets[split.train].astype(np.float64)
        preprocessing = replace(
            preprocessing,
            target_mean=float(values.mean()),
            target_std=float(values.std()) or 1.0,
        )
    for warning in gathered.audit.warnings:
        talk.warn(warning)
    prepared = Prepared(
        spec=_spec(gathered, inputs, preprocessing),
        inputs=inputs,
        targets=targets,
        names=gathered.names,
        split=split,
        preprocessing=preprocessing,
        audit=gathered.audit,
        key=gathered.key,
        larger=gathered.larger,
    )
    return prepared, recipe


def audit_source(recipe: Recipe, *, talk: Talk = SILENCE, cache: Path | None = None) -> Audit:
    """Say what is in a source and what is wrong with it; nothing is split.

    Raises:
        UsageError, DataError: as ``prepare``.
    """
    return _audited(recipe, talk, cache).audit


def audit_card(recipe: Recipe, *, talk: Talk = SILENCE, cache: Path | None = None) -> Card:
    """Return the data card of a source: its audit as plain values and as a page with pictures.

    Raises:
        UsageError, DataError: as ``prepare``.
    """
    from gradatim.data.card import Card

    gathered = _audited(recipe, talk, cache)
    if gathered.kind != "image":
        return Card.of(gathered.audit)
    labels = [
        gathered.classes[target] if gathered.classes else f"{target:g}"
        for target in gathered.targets
    ]
    return Card.of(gathered.audit, gathered.inputs, labels)


def _audited(recipe: Recipe, talk: Talk, cache: Path | None) -> Gathered:
    return _with_label_errors(gather(recipe, talk, cache), talk, recipe.seed)


def prepare_for(
    spec: Spec,
    preprocessing: Preprocessing,
    recipe: Recipe,
    *,
    talk: Talk = SILENCE,
    cache: Path | None = None,
) -> Prepared:
    """Bring a source into the form a trained model takes, to measure the model on it.

    The samples are those of the source's test part where it has one, else all; they are the
    ``test`` part of what is returned. Classes get the model's indices.

    Args:
        spec: what the model takes and answers.
        preprocessing: how it was trained to see its inputs.
        recipe: ``data.source``, and ``data.target`` for a table.
        talk: where progress and warnings go.
        cache: the cache folder; that of the platform when None.

    Raises:
        DataError: the source is of another kind, or has classes the model does not know.
    """
    data = replace(recipe.data, task=None if spec.task == "next-token" else spec.task)
    if preprocessing.kind == "image":
        size, channels = preprocessing.size, preprocessing.channels
        data = replace(
            data,
            size=size,
            shape=preprocessing.shape,
            channels=channels,
            interpolation=preprocessing.interpolation,
        )
    if preprocessing.kind in ("sequence", "text"):
        data = replace(data, length=preprocessing.length, text=preprocessing.text_column or None)
    gathered = gather(replace(recipe, data=data), talk, cache, lone=True)
    _check_fits(gathered, spec, preprocessing)
    inputs = gathered.inputs
    if gathered.frame is not None:
        inputs = preprocessing.read_frame(gathered.frame, talk)
    elif preprocessing.vocabulary is not None:
        gathered = replace(gathered, length=preprocessing.length)
        gathered = with_tokens(gathered, preprocessing.vocabulary)
        inputs = gathered.inputs
    elif gathered.kind == "sequence":
        inputs = fill_up(list(_in_order(gathered, preprocessing.features)), preprocessing.length)
    elif gathered.kind == "vector" and gathered.features and preprocessing.features:
        inputs = _in_order(gathered, preprocessing.features)
    assert inputs is not None
    targets = gathered.targets
    if spec.task == "classification":
        targets = _renumbered(gathered, spec.classes)
    chosen = np.flatnonzero(gathered.parts == "test")
    origin = "the source's test part"
    if len(chosen) == 0:
        chosen, origin = np.arange(len(targets)), "all samples of the source"
    none = np.empty(0, np.int64)
    return Prepared(
        spec=spec,
        inputs=inputs,
        targets=targets,
        names=gathered.names,
        split=Split(train=none, validation=none, test=chosen, origin=origin),
        preprocessing=preprocessing,
        audit=gathered.audit,
        key=gathered.key,
    )


def _resolved(recipe: Recipe, gathered: Gathered) -> Recipe:
    """Fill in what the recipe left open, with the reasons."""
    choices = {"data.task": (gathered.task, "as the source says"), **gathered.choices}
    for key, (value, reason) in choices.items():
        recipe = recipe.filled({key: value}, reason)
    return recipe


def _split(gathered: Gathered, recipe: Recipe) -> tuple[Gathered, Split]:
    """Split the samples, and write into the audit what that left out."""
    if gathered.stream:
        return gathered, stretches(gathered, recipe.data)
    drawn = draw(
        gathered.targets,
        classes=gathered.classes,
        groups=gathered.groups,
        given=gathered.parts,
        seed=recipe.seed,
        validation_share=recipe.data.validation_share,
        test_share=recipe.data.test_share,
    )
    split, audit = drawn.split, gathered.audit
    split = narrowed(split, gathered.targets, gathered.classes, recipe)
    left_out = [Rejection(gathered.names[index], reason) for index, reason in drawn.left_out]
    audit = replace(
        audit,
        rejected=(*audit.rejected, *left_out),
        warnings=(*audit.warnings, *(sentence(note) for note in drawn.notes)),
    )
    return replace(gathered, audit=audit), split


def narrowed(split: Split, targets: np.ndarray, classes: Sequence[str], recipe: Recipe) -> Split:
    """Return the split with as many training samples as the recipe leaves.

    Raises:
        ValueRefusedError: fewer than one a class are left.
    """
    if recipe.data.samples_per_class is not None:
        each = recipe.data.samples_per_class
        split = limited_per_class(split, targets, classes, each, recipe.seed)
    if recipe.data.limit is not None:
        split = limited(split, targets, classes, recipe.data.limit, recipe.seed)
    return split


def _count_parts(gathered: Gathered, split: Split) -> Gathered:
    """Write into the audit how the parts look."""
    part_of = np.full(len(gathered.targets), None, dtype=object)
    for name in PARTS:
        part_of[split.part(name)] = name
    used = np.flatnonzero(part_of)
    labels, parts, columns = counted_parts(gathered.targets[used], gathered.classes, part_of[used])
    audit = replace(
        gathered.audit,
        samples=len(used),
        class_counts=count_classes(labels, parts, columns),
        notes=(*gathered.audit.notes, f"Split: {split.origin}."),
    )
    return replace(gathered, audit=audit)


def _check_split(split: Split, gathered: Gathered) -> None:
    indices = np.concatenate([split.part(name) for name in PARTS])
    if len(np.unique(indices)) != len(indices):
        raise DataError("the parts of the split overlap", given=gathered.name)
    if len(indices) and not 0 <= indices.min() <= indices.max() < len(gathered.targets):
        raise DataError(
            f"the split names sample {indices.max():,}, but the source has "
            f"{len(gathered.targets):,}",
            given=gathered.name,
            next_step="the data are not those the split was made for; fit again",
        )


def _with_label_errors(gathered: Gathered, talk: Talk, seed: int) -> Gathered:
    """Look for likely label errors and write them into the audit."""
    if not gathered.classes or gathered.kind == "text":
        return gathered
    from gradatim.data.label_errors import find_label_errors

    inputs = gathered.inputs
    if inputs is None or gathered.kind != "image":  # images are compared as they are
        everything = np.arange(len(gathered.targets))
        preprocessing, features, _ = _preprocess(
            gathered, Split(everything, everything, everything)
        )
        inputs = preprocessing.normalise(features)
        inputs = np.nan_to_num(inputs.reshape(len(inputs), -1))
    count = len(gathered.targets)
    with talk.track("looking for label errors", count, "samples") as bar:
        doubts = find_label_errors(inputs, gathered.targets, gathered.classes, seed)
        bar.update(count)
    errors = tuple(
        LabelError(
            gathered.names[doubt.index],
            gathered.classes[gathered.targets[doubt.index]],
            gathered.classes[doubt.suggested],
            doubt.probability,
        )
        for doubt in doubts.found
    )
    audit = replace(
        gathered.audit, label_errors=errors, notes=(*gathered.audit.notes, sentence(doubts.note))
    )
    return replace(gathered, audit=audit)


def _preprocess(gathered: Gathered, split: Split) -> tuple[Preprocessing, np.ndarray, Gathered]:
    """Learn from the training rows how inputs become model inputs.

    Returns:
        the preprocessing, the stored inputs, and what was gathered with the audit completed.
    """
    if gathered.frame is not None:
        return _preprocess_table(gathered, split)
    if gathered.kind == "text":
        return preprocess_text(gathered, split)
    inputs = gathered.inputs
    assert inputs is not None
    if gathered.policy is not None:
        mean, std = statistics.of_images(inputs, split.train)
        policy = gathered.policy
        preprocessing = Preprocessing(
            "image",
            mean,
            std,
            size=policy.size,
            channels=policy.channels,
            shape=policy.shape,
            interpolation=policy.interpolation,
            pixel_range=gathered.pixel_range,
        )
    elif gathered.kind == "sequence":
        mean, std = statistics.of_sequences(inputs, split.train)
        preprocessing = Preprocessing(
            "sequence",
            mean,
            std,
            features=gathered.features,
            length=inputs.shape[1],
            layout=gathered.layout,
        )
    else:
        mean, std = statistics.of_vectors(inputs, split.train)
        preprocessing = Preprocessing("vector", mean, std, features=gathered.features)
    return preprocessing, inputs, gathered


def _standardised_as_given(preprocessing: Preprocessing, data: DataRecipe) -> Preprocessing:
    """Return the preprocessing with the recipe's mean and deviation of images, where it has them.

    Raises:
        ValueRefusedError: the data are no images, or the numbers do not fit the channels.
    """
    for key, values in (("mean", data.mean), ("std", data.std)):
        if values is None:
            continue
        if preprocessing.kind != "image" or len(values) != preprocessing.channels:
            raise ValueRefusedError(
                f"data.{key} takes one number for each channel of an image",
                given=", ".join(f"{value:g}" for value in values),
                allowed=f"{preprocessing.channels or 'no'} numbers here",
            )
        if key == "std" and min(values) <= 0:
            raise ValueRefusedError("data.std takes numbers above 0", given=min(values))
    return replace(
        preprocessing, mean=data.mean or preprocessing.mean, std=data.std or preprocessing.std
    )


def _preprocess_table(
    gathered: Gathered, split: Split
) -> tuple[Preprocessing, np.ndarray, Gathered]:
    from gradatim.data.columns import encode, learn

    frame = gathered.frame
    assert frame is not None
    columns, constant = learn(gathered.columns, frame[split.train])
    if not columns:
        raise DataError(
            f"no column can be learnt from: {listed([f'{n} ({why})' for n, why in constant])}",
            given=gathered.name,
        )
    inputs = encode(columns, frame)
    mean, std = statistics.of_vectors(inputs, split.train)
    notes = tuple(f"Column {name!r} is left out: {why}." for name, why in constant)
    audit = replace(gathered.audit, notes=(*gathered.audit.notes, *notes), shape=(inputs.shape[1],))
    preprocessing = Preprocessing("table", mean, std, columns=columns)
    return preprocessing, inputs, replace(gathered, audit=audit)


def _spec(gathered: Gathered, inputs: np.ndarray, preprocessing: Preprocessing) -> Spec:
    if gathered.kind == "image":
        _, height, width, channels = inputs.shape
        shape: tuple[int, ...] = (channels, height, width)
    else:
        shape = inputs.shape[1:]
    features = gathered.features
    if preprocessing.columns:
        features = sum((column.features for column in preprocessing.columns), ())
    return Spec(
        task=gathered.task,
        kind="vector" if gathered.kind == "table" else gathered.kind,
        shape=shape,
        classes=gathered.classes,
        features=features,
        target=gathered.target,
        unit=gathered.unit,
        vocabulary=len(preprocessing.vocabulary) if preprocessing.vocabulary else 0,
    )


def _check_fits(gathered: Gathered, spec: Spec, preprocessing: Preprocessing) -> None:
    """Refuse a source whose samples are of another kind than the model takes."""
    same = gathered.kind == preprocessing.kind
    if not same and not (gathered.kind == "table" and preprocessing.kind == "vector"):
        raise DataError(
            f"the model takes {_PLURAL[preprocessing.kind]}, this source holds "
            f"{_PLURAL[gathered.kind]}",
            given=gathered.name,
        )
    if gathered.task != spec.task:
        raise DataError(
            f"the model is a {spec.task}, this source a {gathered.task}", given=gathered.name
        )
    if gathered.inputs is not None and gathered.kind in ("vector", "sequence"):
        width = gathered.inputs.shape[-1]
        if width != spec.shape[-1]:
            raise DataError(
                f"the model takes {spec.shape[-1]} features, this source has {width}",
                given=gathered.name,
            )


_PLURAL = {
    "image": "images",
    "vector": "vectors",
    "table": "rows of a table",
    "sequence": "series",
    "text": "texts",
}


def _in_order(gathered: Gathered, features: Sequence[str]) -> np.ndarray:
    """Return vectors or series with their features in the model's order."""
    assert gathered.inputs is not None
    if not features or not gathered.features:
        return gathered.inputs
    if set(features) != set(gathered.features):
        raise DataError(
            "the features are not those the model learnt from",
            given=listed(sorted(set(gathered.features) - set(features))),
            next_step=f"it learnt from: {listed(list(features))}",
        )
    order = [gathered.features.index(name) for name in features]
    return gathered.inputs[..., order]


def _renumbered(gathered: Gathered, classes: Sequence[str]) -> np.ndarray:
    """Return the targets as indices into the model's classes."""
    unknown = [
        name
        for number, name in enumerate(gathered.classes)
        if name not in classes and (gathered.targets == number).any()
    ]
    if unknown:
        raise DataError(
            f"the source has classes the model does not know: {listed(unknown)}",
            given=gathered.name,
            allowed=list(classes),
        )
    index = np.array(
        [classes.index(name) if name in classes else -1 for name in gathered.classes], np.int64
    )
    numbers: np.ndarray = index[gathered.targets]
    return numbers
