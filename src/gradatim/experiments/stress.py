"""A run under stress: the same test samples corrupted in nine ways, at five strengths each."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradatim import stats
from gradatim.core.talk import Talk
from gradatim.data.card import drawn
from gradatim.data.corruptions import CORRUPTIONS, STRENGTHS, corrupt, count_backgrounds
from gradatim.data.dataset import Prepared, Split
from gradatim.errors import DataError, UnknownNameError, UsageError
from gradatim.experiments import fitting
from gradatim.experiments.evaluation import Subject, subject
from gradatim.stats import Interval

SAMPLES = 1000
"""Test samples that are corrupted at most, evenly spread over the test part."""
SHOWN = 2
"""Samples whose corrupted pictures are shown."""


def stress(
    run: Path,
    source: str | None,
    kinds: str,
    against: Path | None,
    target: str | None,
    data_dir: str | None,
    talk: Talk,
) -> dict[str, Any]:
    """Measure a run, or two on the same samples, under every kind of corruption.

    Args:
        run: the run folder.
        source: other data; None: the run's own test part.
        kinds: ``all``, or names of corruptions with commas between.
        against: another run, measured beside the first; both need the samples in a test part.
        target: as for ``evaluate``.
        data_dir: likewise.
        talk: where progress goes.

    Raises:
        UsageError: the run does not tell images apart, or a kind is not known.
        DataError: there is no test part, or the two runs share no test sample.
    """
    names = chosen_kinds(kinds)
    first = _checked(subject(run, source, target, data_dir, talk))
    part = first.prepared.split.test
    subjects = [first]
    if against is not None:
        other = _checked(subject(against, source, target, data_dir, talk))
        part = _shared(first, other)
        subjects.append(other)
    total = len(part)
    if total > SAMPLES:
        part = part[np.linspace(0, total - 1, SAMPLES).round().astype(np.int64)]
    found = []
    with talk.track("under stress", (1 + STRENGTHS * len(names)) * len(subjects)) as bar:
        for number, one in enumerate(subjects):
            begun = number * (1 + STRENGTHS * len(names))
            found.append(_measured(one, first, part, names, lambda n, b=begun: bar.update(b + n)))
    facts = {
        "run": str(first.place),
        "model": first.model.name,
        "source": source or first.recipe.data.source,
        "samples": len(part),
        "of": total,
        "backgrounds": count_backgrounds(_pixels(first, first, part))
        if "background" in names
        else None,
        **_told(first, names, found[0]),
        "pictures": _pictures(first, part, names, found[0]),
    }
    if len(found) == 2:
        facts["against"] = {
            "run": str(subjects[1].place),
            "model": subjects[1].model.name,
            **_told(subjects[1], names, found[1]),
        }
        facts["paired"] = _paired(names, found[0], found[1])
    return facts


def chosen_kinds(kinds: str) -> list[str]:
    """Return the kinds that are named: ``all``, or some with commas between.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kinds == "all":
        return list(CORRUPTIONS)
    named = [word.strip() for word in kinds.split(",") if word.strip()]
    for name in named:
        if name not in CORRUPTIONS:
            raise UnknownNameError(
                "there is no such stress", given=name, allowed=["all", *CORRUPTIONS]
            )
    if not named:
        raise UsageError("no stress was named", allowed=["all", *CORRUPTIONS])
    return list(dict.fromkeys(named))


@dataclass(frozen=True)
class _Answers:
    """What one model answered: for the clean samples, and for each kind and strength.

    Attributes:
        clean: N class indices.
        by_kind: ``STRENGTHS x N`` of them for each kind.
        truth: N class indices.
    """

    clean: np.ndarray
    by_kind: dict[str, np.ndarray]
    truth: np.ndarray

    def right(self, kind: str) -> np.ndarray:
        """Return ``STRENGTHS x N`` booleans."""
        right: np.ndarray = self.by_kind[kind] == self.truth
        return right

    @property
    def clean_right(self) -> np.ndarray:
        """Return N booleans."""
        right: np.ndarray = self.clean == self.truth
        return right


def _checked(one: Subject) -> Subject:
    spec = one.prepared.spec
    if spec.kind != "image" or spec.task != "classification":
        what = f"{spec.kind}s" if spec.kind != "image" else "images to foretell numbers"
        raise UsageError(
            "stress is for runs that tell images apart",
            given=one.place,
            next_step=f"this run takes {what}; leave --stress out",
        )
    return one


def _shared(first: Subject, other: Subject) -> np.ndarray:
    """Return the samples, as the first run counts them, that are in the test parts of both."""
    if set(first.prepared.spec.classes) != set(other.prepared.spec.classes):
        raise DataError(
            "the two runs know different classes",
            given=", ".join(other.prepared.spec.classes),
            allowed=list(first.prepared.spec.classes),
        )
    theirs = {other.prepared.names[index] for index in other.prepared.split.test}
    test = first.prepared.split.test
    shared = test[[first.prepared.names[index] in theirs for index in test]]
    if not len(shared):
        raise DataError(
            "the two runs share no test sample",
            given=other.place,
            next_step="name a source to measure both on: gradatim evaluate RUN SOURCE --stress "
            "--against RUN",
        )
    return np.asarray(shared)


def _rows(one: Subject, first: Subject, part: np.ndarray) -> np.ndarray:
    """Return which samples of one run's data the first run's are."""
    if one is first:
        return part
    place = {name: index for index, name in enumerate(one.prepared.names)}
    return np.array([place[first.prepared.names[index]] for index in part], np.int64)


def _pixels(one: Subject, first: Subject, part: np.ndarray) -> np.ndarray:
    return np.asarray(one.prepared.inputs[_rows(one, first, part)])


def _measured(
    one: Subject, first: Subject, part: np.ndarray, names: Sequence[str], told: Any
) -> _Answers:
    rows = _rows(one, first, part)
    pixels = np.asarray(one.prepared.inputs[rows])
    clean = _answers(one, rows, pixels)
    told(1)
    by_kind: dict[str, np.ndarray] = {}
    for number, kind in enumerate(names):
        answers = []
        for strength in range(1, STRENGTHS + 1):
            answers.append(_answers(one, rows, corrupt(kind, pixels, part, strength)))
            told(1 + number * STRENGTHS + strength)
        by_kind[kind] = np.stack(answers)
    return _Answers(clean, by_kind, one.prepared.targets[rows])


def _answers(one: Subject, rows: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the class a model answers for each picture."""
    prepared: Prepared = one.prepared
    none = np.empty(0, np.int64)
    corrupted = replace(
        prepared,
        inputs=pixels,
        targets=prepared.targets[rows],
        names=[prepared.names[row] for row in rows],
        split=Split(none, none, np.arange(len(rows))),
    )
    result = fitting.measure_on(corrupted, one.recipe, one.model.module, "test")
    answers: np.ndarray = result.evaluation.scores.argmax(1)
    return answers


def _told(one: Subject, names: Sequence[str], answers: _Answers) -> dict[str, Any]:
    side = min(one.prepared.inputs.shape[1:3])
    kinds = []
    for kind in names:
        right, corruption = answers.right(kind), CORRUPTIONS[kind]
        steps = [
            {
                "strength": number + 1,
                "setting": corruption.unit.format(corruption.strengths(side)[number]),
                **_ends(stats.wilson(int(row.sum()), len(row))),
            }
            for number, row in enumerate(right)
        ]
        lost = _ends(stats.mean_interval(right.mean(axis=0) - answers.clean_right))
        kinds.append({"kind": kind, "steps": steps, "mean": float(right.mean()), "lost": lost})
    clean = answers.clean_right
    return {"clean": _ends(stats.wilson(int(clean.sum()), len(clean))), "kinds": kinds}


def _paired(names: Sequence[str], first: _Answers, other: _Answers) -> dict[str, Any]:
    """Return what the first run gets right more often than the other, on the same samples."""
    kinds = []
    for kind in names:
        mine, theirs = first.right(kind), other.right(kind)
        steps = [_ends(stats.paired_difference(a, b)) for a, b in zip(mine, theirs, strict=True)]
        mean = _ends(stats.mean_interval(mine.mean(axis=0) - theirs.mean(axis=0)))
        kinds.append({"kind": kind, "steps": steps, "mean": mean})
    clean = stats.paired_difference(first.clean_right, other.clean_right)
    return {"clean": _ends(clean), "kinds": kinds}


def _ends(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _pictures(
    first: Subject, part: np.ndarray, names: Sequence[str], answers: _Answers
) -> dict[str, list[dict[str, Any]]]:
    """Return strips of samples, clean and at each strength, with what the model answered."""
    classes = first.prepared.spec.classes
    places = np.linspace(0, len(part) - 1, SHOWN + 2).round().astype(np.int64)[1:-1]
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in names:
        found[kind] = []
        for place in dict.fromkeys(places.tolist()):
            number = part[place : place + 1]
            pixels = np.asarray(first.prepared.inputs[number])
            strip = [pixels[0]]
            strip += [corrupt(kind, pixels, number, s)[0] for s in range(1, STRENGTHS + 1)]
            said = [answers.clean[place], *answers.by_kind[kind][:, place]]
            picture = drawn(np.concatenate(strip, axis=1), max(pixels.shape[1:3]), kind, kind)
            found[kind].append(
                {
                    "media_type": picture.media_type,
                    "pixelated": picture.pixelated,
                    "content": base64.b64encode(picture.content).decode(),
                    "true": classes[int(answers.truth[place])],
                    "answers": [classes[int(answer)] for answer in said],
                }
            )
    return found
