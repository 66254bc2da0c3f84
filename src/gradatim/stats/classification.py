"""What a classifier got right and wrong on held-out samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradatim.errors import ValueRefusedError
from gradatim.stats.intervals import Interval
from gradatim.stats.proportions import wilson

BINS = 15
"""Bins of the calibration error, as in Guo et al. 2017."""

TOP = 5
MANY_CLASSES = 10
"""Top-5 accuracy is reported for more than this many classes."""


@dataclass(frozen=True)
class ClassRow:
    """One class: ``precision`` is None if it was never predicted, ``recall`` if it never occurs."""

    name: str
    precision: float | None
    recall: float | None
    support: int


@dataclass(frozen=True)
class Bin:
    """The samples whose confidence lies above ``low`` and up to ``high``.

    ``confidence`` and ``accuracy`` are their means, None where there are no samples.
    """

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


@dataclass(frozen=True)
class Calibration:
    """How well stated probabilities agree with how often they are right."""

    error: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class ClassificationReport:
    """A classifier measured on N samples.

    Attributes:
        accuracy: with its Wilson interval.
        loss: cross-entropy in nats.
        top_k: number of guesses -> share of samples whose class is among them.
        per_class: in the order of the classes.
        confusion: ``K x K`` counts, rows are the true classes, columns the predicted ones.
        calibration: expected calibration error and its bins.
    """

    accuracy: Interval
    loss: float
    top_k: dict[int, float]
    per_class: tuple[ClassRow, ...]
    confusion: np.ndarray
    calibration: Calibration

    def to_event(self) -> dict[str, Any]:
        """Return the fields of the Record's ``test`` event, plain values for JSON."""
        return {
            "samples": self.accuracy.n,
            "metric": "accuracy",
            "value": self.accuracy.value,
            "low": self.accuracy.low,
            "high": self.accuracy.high,
            "loss": self.loss,
            "top_k": {str(k): share for k, share in self.top_k.items()},
            "per_class": [vars(row) for row in self.per_class],
            "confusion": self.confusion.tolist(),
            "calibration": {
                "error": self.calibration.error,
                "bins": [vars(part) for part in self.calibration.bins],
            },
        }


def classification_report(
    probabilities: ArrayLike, targets: ArrayLike, classes: Sequence[str]
) -> ClassificationReport:
    """Measure a classifier.

    Args:
        probabilities: ``N x K``, one a class.
        targets: N indices of the true classes.
        classes: K names.

    Raises:
        ValueRefusedError: the shapes do not fit, there are no samples, a probability is not finite,
            or a target is no index of a class.
    """
    p_NK, y_N = _checked(probabilities, targets)
    if p_NK.shape[1] != len(classes):
        raise ValueRefusedError(
            "there is one probability for each class",
            given=f"{p_NK.shape[1]} probabilities, {len(classes)} classes",
        )
    counts = confusion(p_NK.argmax(axis=1), y_N, len(classes))
    top = {TOP: top_k(p_NK, y_N, TOP)} if len(classes) > MANY_CLASSES else {}
    return ClassificationReport(
        accuracy=wilson(int(np.trace(counts)), len(y_N)),
        loss=cross_entropy(p_NK, y_N),
        top_k=top,
        per_class=per_class(counts, classes),
        confusion=counts,
        calibration=calibration(p_NK, y_N),
    )


def confusion(predicted: ArrayLike, targets: ArrayLike, classes: int) -> np.ndarray:
    """Count samples by true class (row) and predicted class (column): ``K x K`` int64."""
    cells = np.asarray(targets) * classes + np.asarray(predicted)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def per_class(counts: np.ndarray, classes: Sequence[str]) -> tuple[ClassRow, ...]:
    """Return precision (right of those predicted) and recall (right of those true) by class.

    Args:
        counts: ``K x K``, as of ``confusion``.
        classes: K names.
    """
    right, predicted, true = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    return tuple(
        ClassRow(
            name,
            float(right[i] / predicted[i]) if predicted[i] else None,
            float(right[i] / true[i]) if true[i] else None,
            int(true[i]),
        )
        for i, name in enumerate(classes)
    )


def top_k(probabilities: ArrayLike, targets: ArrayLike, k: int) -> float:
    """Return the share of samples whose true class is among the k most probable.

    Of equally probable classes the one with the lower index comes first, as with ``argmax``.

    Raises:
        ValueRefusedError: as ``classification_report``, or k below 1.
    """
    p_NK, y_N = _checked(probabilities, targets)
    if k < 1:
        raise ValueRefusedError("the number of guesses is out of range", given=k, allowed="from 1")
    own = p_NK[np.arange(len(y_N)), y_N][:, None]
    earlier = np.arange(p_NK.shape[1]) < y_N[:, None]
    rank = ((p_NK > own) | ((p_NK == own) & earlier)).sum(axis=1)
    return float((rank < k).mean())


def cross_entropy(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Return the mean of ``-log p(true class)`` in nats.

    A probability of 0 counts as the smallest number of float32 (87.3 nats), not as infinite.

    Raises:
        ValueRefusedError: as ``classification_report``.
    """
    p_NK, y_N = _checked(probabilities, targets)
    own = p_NK[np.arange(len(y_N)), y_N]
    return float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())


def calibration(probabilities: ArrayLike, targets: ArrayLike, bins: int = BINS) -> Calibration:
    """Return the expected calibration error.

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks",
    eq. 3: samples are put in bins of equal width by their confidence (the largest probability),
    and the error is the mean over samples of |accuracy - confidence| of their bin.

    Raises:
        ValueRefusedError: as ``classification_report``, or bins below 1.
    """
    p_NK, y_N = _checked(probabilities, targets)
    if bins < 1:
        raise ValueRefusedError("the number of bins is out of range", given=bins, allowed="from 1")
    confidence = p_NK.max(axis=1)
    right = p_NK.argmax(axis=1) == y_N
    # bin m holds (m / bins, (m + 1) / bins]
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(number, minlength=bins)
    confidences = np.bincount(number, confidence, minlength=bins)
    rights = np.bincount(number, right, minlength=bins)
    return Calibration(
        error=float(np.abs(rights - confidences).sum() / len(y_N)),
        bins=tuple(
            Bin(
                low=m / bins,
                high=(m + 1) / bins,
                confidence=float(confidences[m] / counts[m]) if counts[m] else None,
                accuracy=float(rights[m] / counts[m]) if counts[m] else None,
                count=int(counts[m]),
            )
            for m in range(bins)
        ),
    )


def most_wrong(probabilities: ArrayLike, targets: ArrayLike, n: int) -> np.ndarray:
    """Return the indices of at most n misclassified samples, the least probable true class first.

    These are the wrong samples with the largest loss.

    Raises:
        ValueRefusedError: as ``classification_report``.
    """
    p_NK, y_N = _checked(probabilities, targets)
    own = p_NK[np.arange(len(y_N)), y_N]
    wrong = np.flatnonzero(p_NK.argmax(axis=1) != y_N)
    return wrong[np.argsort(own[wrong], kind="stable")][:n]


def _checked(probabilities: ArrayLike, targets: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    p_NK, y_N = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    if p_NK.ndim != 2 or y_N.shape != p_NK.shape[:1] or not p_NK.size:
        raise ValueRefusedError(
            "probabilities and targets do not fit",
            given=f"shapes {p_NK.shape} and {y_N.shape}",
            allowed="(N, K) and (N,), N and K at least 1",
        )
    if not np.isfinite(p_NK).all():
        raise ValueRefusedError("a probability is not finite")
    if y_N.dtype.kind not in "iu" or y_N.min() < 0 or y_N.max() >= p_NK.shape[1]:
        raise ValueRefusedError(
            "targets are indices of classes",
            given=f"{y_N.dtype} from {y_N.min()} to {y_N.max()}",
            allowed=f"whole numbers from 0 to {p_NK.shape[1] - 1}",
        )
    return p_NK, y_N
