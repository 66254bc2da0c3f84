"""Whether a left-right flip may change a class: what neighbours say of mirrored samples.

Nearest neighbours are a judge that needs no training and knows no more than the samples: they tell
whether mirrored samples look like those of their own class, not what a person would call them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

NEIGHBOURS = 5
SIDE = 16
"""Pictures are compared at this side in pixels, or their own where it is smaller."""
COMPARED, JUDGED = 4000, 1000
"""Most samples that vote, and that are voted on."""


@dataclass(frozen=True)
class Mirrored:
    """What neighbours answered, for M samples that had no vote.

    Attributes:
        truth: class indices.
        answers: for the samples as they are.
        mirrored: for the samples mirrored.
        with_copies: for the samples as they are, where mirrored copies of all others vote too.
        neighbours: number of samples that voted, copies not counted.
    """

    truth: np.ndarray
    answers: np.ndarray
    mirrored: np.ndarray
    with_copies: np.ndarray
    neighbours: int

    def confusions(self) -> list[tuple[int, int, int]]:
        """Return (class, class its mirrored samples are taken for, how often), most often first.

        Only of samples that were recognised as they are.
        """
        lost = (self.answers == self.truth) & (self.mirrored != self.truth)
        pairs, counts = np.unique(
            np.stack([self.truth[lost], self.mirrored[lost]]), axis=1, return_counts=True
        )
        order = np.argsort(-counts, kind="stable")
        return [(int(pairs[0, i]), int(pairs[1, i]), int(counts[i])) for i in order]


def judge(images: np.ndarray, targets: np.ndarray, classes: int, seed: int) -> Mirrored | None:
    """Ask the five nearest neighbours, by correlation of pixels, what mirrored samples are.

    Args:
        images: ``N x H x W x C`` uint8.
        targets: N class indices.
        classes: number of classes.
        seed: of the choice of samples: at most 1,000 are judged, at most 4,000 others vote.

    Returns:
        None where fewer than 30 samples could be judged.
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    count = min(JUDGED, len(order) // 3)
    if count < 30:
        return None
    judged, voters = order[:count], np.sort(order[count : count + COMPARED])
    votes = targets[voters]
    known, known_mirrored = _features(images[voters]), _features(images[voters][:, :, ::-1])
    asked, asked_mirrored = _features(images[judged]), _features(images[judged][:, :, ::-1])
    doubled = np.concatenate([known, known_mirrored]), np.concatenate([votes, votes])
    return Mirrored(
        targets[judged],
        _vote(known, votes, asked, classes),
        _vote(known, votes, asked_mirrored, classes),
        _vote(*doubled, asked, classes),
        len(voters),
    )


def _features(images: np.ndarray) -> np.ndarray:
    """Return pixels less their mean, of length 1: their products are correlations."""
    count, height, width, _ = images.shape
    if max(height, width) > SIDE:
        images = np.stack([_small(image) for image in images])
    features = images.reshape(count, -1).astype(np.float32)
    features -= features.mean(axis=1, keepdims=True)
    features /= np.linalg.norm(features, axis=1, keepdims=True).clip(min=1e-6)
    return features


def _small(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(
        np.ascontiguousarray(image.squeeze(2) if image.shape[2] == 1 else image)
    )
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def _vote(known: np.ndarray, votes: np.ndarray, asked: np.ndarray, classes: int) -> np.ndarray:
    """Return the class that most of the nearest neighbours have; of equals the first."""
    likeness = asked @ known.T
    nearest = np.argpartition(-likeness, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    counts = np.zeros((len(asked), classes), np.int64)
    for rank in range(NEIGHBOURS):
        counts[np.arange(len(asked)), votes[nearest[:, rank]]] += 1
    answers: np.ndarray = counts.argmax(axis=1)
    return answers
