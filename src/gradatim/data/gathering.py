"""From the recipe's source to audited samples, whatever kind they are."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradatim.core.recipe import DataRecipe, Recipe
from gradatim.core.talk import SILENCE, Talk
from gradatim.data.arrays import gather_arrays
from gradatim.data.gathered import Gathered, Labelled, check_targets, fingerprint
from gradatim.data.order import choose_order
from gradatim.data.raw import RawArrays, RawImages, RawSequences, RawTable, RawText
from gradatim.data.sources import SOURCES, Request, find
from gradatim.errors import UsageError


def gather(
    recipe: Recipe, talk: Talk = SILENCE, cache: Path | None = None, *, lone: bool = False
) -> Gathered:
    """Read and audit every sample of the recipe's source.

    Args:
        recipe: its ``data`` section is used.
        talk: where progress goes.
        cache: the cache folder; that of the platform when None.
        lone: whether one class or one value is enough (to measure, not to learn).
    """
    data = recipe.data
    if not data.source:
        raise UsageError(
            "no source was named",
            next_step="give a name (`gradatim names sources`), a folder, a table or an .npz file",
        )
    if Path(data.source).is_dir() and Path(data.source).name == data.source:
        _say_which(data.source, talk)
    begun = time.perf_counter()
    folder = Path(data.folder).expanduser() if data.folder else None
    request = Request(data.source, data.target, data.task, folder, cache, talk, data.length)
    raw = find(data.source)(request)
    if isinstance(raw, RawImages):
        gathered = _gather_images(raw, data, talk, cache, lone)
    elif isinstance(raw, RawArrays):
        gathered = gather_arrays(raw, data, talk)
    elif isinstance(raw, RawSequences):
        from gradatim.data.sequences import gather_sequences

        gathered = gather_sequences(raw, data)
    elif isinstance(raw, RawText):
        from gradatim.data.texts import gather_stream

        gathered = gather_stream(raw, data)
    elif isinstance(raw, RawTable):
        gathered = _gather_table(raw, data, lone)
    if not lone and not gathered.stream:
        check_targets(gathered.name, gathered.targets, gathered.classes)
    if not isinstance(raw, RawImages):  # which have their own clock
        seconds = time.perf_counter() - begun
        gathered = replace(gathered, audit=replace(gathered.audit, seconds=seconds))
    return gathered


def _gather_table(raw: RawTable, data: DataRecipe, lone: bool) -> Gathered:
    """Audit a table: of features, of texts, or with one row a step of a series."""
    from gradatim.data.layout import find_layout, read_series
    from gradatim.data.sequences import gather_sequences
    from gradatim.data.tables import gather_table
    from gradatim.data.texts import find_text, gather_texts

    layout = find_layout(raw, data)
    if layout is not None:
        return gather_sequences(read_series(raw, layout, data, lone=lone), data)
    column = find_text(raw, data)
    if column is not None:
        reason = "the only column that says something, and it holds texts"
        return gather_texts(raw, column, reason, data, lone=lone)
    return gather_table(raw, data, lone=lone)


def _say_which(source: str, talk: Talk) -> None:
    if source in SOURCES:
        talk.warn(
            f"{source} is read as the data set of that name; for the folder, write ./{source}"
        )


def _gather_images(
    raw: RawImages, data: DataRecipe, talk: Talk, cache: Path | None, lone: bool
) -> Gathered:
    """Decode and store image files; labels of a table may be numbers."""
    from gradatim.data.images import prepare_images

    column = Path(data.source).expanduser().is_file()  # else the labels are names of folders
    if data.target is not None and not column:
        raise UsageError(
            f"a target column is for tables; the classes of {raw.name} are its sub-folders",
            given=data.target,
            next_step="leave the target out",
        )
    task: Labelled = "classification"
    reason, values = "the sub-folders are classes", np.empty(0)
    if column or data.task == "regression":
        raw, values, task, reason = _numbered(raw, data, lone)
    found = prepare_images(
        raw,
        size=data.size,
        shape=data.shape,
        channels=data.channels,
        interpolation=data.interpolation or "bicubic",
        task="regression" if lone else task,  # which asks for no second class
        talk=talk,
        cache=cache,
    )
    classes = tuple(sorted(set(found.labels))) if task == "classification" else ()
    if classes:
        index = {name: number for number, name in enumerate(classes)}
        targets = np.array([index[label] for label in found.labels], dtype=np.int64)
    else:
        targets = values[found.kept]
    parts = np.array(found.parts, dtype=object)
    policy = found.policy
    fitted = {"size": policy.size, "shape": policy.shape, "channels": policy.channels}
    choices: dict[str, tuple[object, str]] = {
        f"data.{key}": (value, found.reasons.get(f"data.{key}", ""))
        for key, value in fitted.items()
    }
    if column:
        choices["data.target"] = (raw.target, f"the column {raw.target!r} holds the labels")
    choices["data.task"] = (task, reason)
    found.larger.check(data)
    largest = found.larger.bytes_at(max(policy.size, data.crop_from or 0))
    choices["data.order"] = choose_order(largest)
    return Gathered(
        name=raw.name,
        kind="image",
        targets=targets,
        classes=classes,
        names=found.names,
        groups=found.groups,
        parts=parts,
        audit=found.audit,
        key=fingerprint(found.key, targets, *classes, *(part or "" for part in parts)),
        inputs=found.inputs,
        policy=policy,
        target=raw.target,
        choices=choices,
        larger=found.larger,
    )


def _numbered(
    raw: RawImages, data: DataRecipe, lone: bool
) -> tuple[RawImages, np.ndarray, Labelled, str]:
    """Decide the task from the labels, and read them as numbers for a regression.

    Returns:
        the files whose label can be used, the values of their labels, the task and the reason.
    """
    import polars as pl

    from gradatim.data.targets import decide

    decided = decide(pl.Series(raw.target or "folder", list(raw.labels)), data.task, lone=lone)
    names = [str(file) for file in raw.files]
    bad = np.flatnonzero(decided.missing).tolist()
    kept = np.flatnonzero(~decided.missing).tolist()
    raw = replace(
        raw,
        files=[raw.files[row] for row in kept],
        labels=[raw.labels[row] for row in kept],
        parts=[raw.parts[row] for row in kept],
        unused=(
            *raw.unused,
            *((names[row], f"its label {raw.labels[row]!r} cannot be used") for row in bad),
        ),
    )
    return raw, decided.values[kept], decided.task, decided.reason
