"""Likely label errors, by confident learning (Northcutt, Jiang and Chuang, 2021, section 3).

A simple model, k nearest neighbours on shrunken pixels or standardised features, gives each sample
the probabilities of its class from samples in other folds. Class ``j`` has the threshold ``t_j``:
the mean probability of ``j`` among samples labelled ``j``. A sample counts as belonging to the
most probable class among those whose threshold it reaches; where that is not its label, the label
is in doubt. Of these, only those are listed that the simple model is sure of, and none when the
simple model is too weak to judge (as it is on photos).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_SAMPLES = 20_000
"""Larger sets are judged by a stratified draw of this many, which takes seconds."""

FOLDS = 5
NEIGHBOURS = 10
SIDE = 10
"""Images are shrunken by averaging blocks until they have about this side."""

WEAKEST = 0.7
"""Smallest share of samples the simple model must be right on to judge labels. Measured with 5 %
of labels flipped: at 0.93 (digits) 96 % of those listed were flipped ones, at 0.78
(Fashion-MNIST) 58 %, at 0.32 (CIFAR-10) 17 %."""

PILOT = 1000
"""So many samples are judged first where there are many more; where the simple model is far too
weak on them, the rest is spared. Far: by four standard errors of a share, 2 / sqrt(PILOT)."""

HALVED = 0.5
"""Of the errors of always answering the largest class it may make at most this share."""

SURE = 0.8
"""Least probability of the suggested class of a listed sample ..."""

DOUBTED = 0.1
"""... and largest probability of the class it is labelled with."""


@dataclass(frozen=True)
class Doubt:
    """One label in doubt: of the sample, the class suggested and its probability."""

    index: int
    suggested: int
    probability: float


@dataclass(frozen=True)
class Doubts:
    """Labels in doubt, the most doubtful first, and one sentence on what was looked at."""

    found: tuple[Doubt, ...]
    note: str


def find_label_errors(
    inputs: np.ndarray, targets: np.ndarray, classes: Sequence[str], seed: int = 0
) -> Doubts:
    """List the labels that are likely wrong.

    Args:
        inputs: ``N x H x W x C`` uint8 images, or ``N x D`` standardised features.
        targets: ``N`` class indices.
        classes: their names.
        seed: of the draw from a large set, and of the folds.
    """
    chosen = _chosen(targets, seed)
    labels, kept = np.unique(targets[chosen], return_inverse=True)
    if len(labels) < 2:
        return Doubts((), "label errors not looked for: fewer than two classes of five or more")
    features = _shrunken(inputs, chosen)
    if len(chosen) >= 4 * PILOT:
        right = _right_on_some(features, kept, seed)
        if right + 2 / PILOT**0.5 < WEAKEST:
            return Doubts((), _too_weak(right, f"{PILOT:,} of {len(targets):,} samples"))
    probabilities = _out_of_fold(features, kept, seed)
    right = float((probabilities.argmax(axis=1) == kept).mean())
    looked_at = (
        f"all {len(targets):,} samples"
        if len(chosen) == len(targets)
        else f"{len(chosen):,} of {len(targets):,} samples"
    )
    majority = float(np.bincount(kept).max() / len(kept))
    if right < WEAKEST or 1 - right > HALVED * (1 - majority):
        return Doubts((), _too_weak(right, looked_at))
    found = _doubted(probabilities, kept)
    doubts = tuple(
        Doubt(int(chosen[row]), int(labels[suggested]), float(probabilities[row, suggested]))
        for row, suggested in found
    )
    return Doubts(
        doubts,
        f"label errors looked for in {looked_at} with {NEIGHBOURS} nearest neighbours, which are "
        f"right on {right:.0%}",
    )


def _right_on_some(features: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the share of ``PILOT`` samples that their neighbours among all others tell.

    Written out, since to import scikit-learn takes longer, at every start.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    pilot, others = order[:PILOT], order[PILOT:]
    known = features[others]
    squares = np.einsum("nd,nd->n", known, known)
    right = 0
    for rows in np.array_split(pilot, -(-PILOT // 250)):
        distances = squares - 2 * features[rows] @ known.T  # up to a constant of the row
        nearest = np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        votes = labels[others][nearest][..., None] == np.arange(labels.max() + 1)
        right += int((votes.sum(axis=1).argmax(axis=1) == labels[rows]).sum())
    return right / PILOT


def _out_of_fold(features: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the probabilities of the classes, ``N x K``, each from neighbours in other folds."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    found: np.ndarray = cross_val_predict(
        KNeighborsClassifier(min(NEIGHBOURS, len(labels) // 2), algorithm="auto"),
        features,
        labels,
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    return found


def _too_weak(right: float, looked_at: str) -> str:
    return (
        f"label errors not looked for: {NEIGHBOURS} nearest neighbours are right on only "
        f"{right:.0%} of {looked_at}, too weak to judge labels"
    )


def confident_class(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the class each sample confidently belongs to, -1 where none reaches its threshold.

    Args:
        probabilities: ``N x K``, out of fold.
        labels: ``N``, each class 0 .. K-1 occurs.
    """
    count = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == k, k].mean() for k in range(count)])
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    best = reached.argmax(axis=1)
    return np.where(reached.max(axis=1) >= 0, best, -1)


def _doubted(probabilities: np.ndarray, labels: np.ndarray) -> list[tuple[int, int]]:
    """Return (row, suggested class) of the labels in doubt, the most doubtful first."""
    suggested = confident_class(probabilities, labels)
    rows = np.arange(len(labels))
    given = probabilities[rows, labels]
    sure = probabilities[rows, suggested]
    doubted = (suggested >= 0) & (suggested != labels) & (sure >= SURE) & (given <= DOUBTED)
    order = np.lexsort((rows, given - sure))
    return [(int(row), int(suggested[row])) for row in order if doubted[row]]


def _chosen(targets: np.ndarray, seed: int) -> np.ndarray:
    """Return the samples looked at: classes of at least one sample a fold, at most the limit."""
    values, counts = np.unique(targets, return_counts=True)
    usable = np.flatnonzero(np.isin(targets, values[counts >= FOLDS]))
    if len(usable) <= MOST_SAMPLES:
        return usable
    rng = np.random.default_rng(seed)
    order = rng.permutation(usable)
    share = MOST_SAMPLES / len(usable)
    drawn = []
    for value in values[counts >= FOLDS]:
        members = order[targets[order] == value]
        drawn.append(members[: max(FOLDS, int(len(members) * share))])
    return np.sort(np.concatenate(drawn))


def _shrunken(inputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return features for nearest neighbours, ``len(rows) x D`` float32, a block of rows a time."""
    if inputs.ndim == 2:
        return np.asarray(inputs[rows], np.float32)
    _, height, width, channels = inputs.shape
    factor = max(1, round(min(height, width) / SIDE))
    high, wide = height // factor, width // factor
    features = np.empty((len(rows), high * wide * channels), np.float32)
    for start in range(0, len(rows), 1024):
        block = inputs[rows[start : start + 1024], : high * factor, : wide * factor]
        sums = np.zeros((len(block), high, wide, channels), np.float32)
        for top in range(factor):
            for left in range(factor):
                sums += block[:, top::factor, left::factor]
        features[start : start + 1024] = sums.reshape(len(block), -1)
    return features
