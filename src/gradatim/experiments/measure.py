"""What a model gets right: the numbers of a rung, and the one measurement on the test part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradatim import stats
from gradatim.core.measures import rank
from gradatim.core.spec import Spec
from gradatim.stats import Interval
from gradatim.training import Evaluation

METRIC = {
    "classification": "accuracy",
    "regression": "r2",
    "next-token": "bits-per-character",
}


@dataclass(frozen=True)
class Measured:
    """One model's answers on one part, with the metric and its interval.

    Attributes:
        metric: ``accuracy``, ``r2`` or ``bits-per-character``.
        value: the metric with its interval.
        evaluation: scores, targets and indices of the samples.
        seconds: time per sample.
    """

    metric: str
    value: Interval
    evaluation: Evaluation
    seconds: float

    @property
    def rank(self) -> float:
        """The larger, the better the model."""
        return rank(self.metric, self.value.value)

    @property
    def correct(self) -> np.ndarray:
        """Return for each sample whether the answer was right (classification)."""
        right: np.ndarray = self.evaluation.scores.argmax(1) == self.evaluation.targets
        return right

    def event(self) -> dict[str, float | int]:
        """Return the fields of ``validation`` in the ``rung`` event."""
        interval = self.value
        return {
            "value": interval.value,
            "low": interval.low,
            "high": interval.high,
            "n": len(self.evaluation.targets),
        }


def measured(evaluation: Evaluation, spec: Spec) -> Measured:
    """Return the metric of an evaluation with its interval.

    Accuracy has Wilson's interval; R² a bootstrap over the samples, bits per character one over
    the passages.
    """
    count = len(evaluation.targets)
    if spec.task == "regression":
        value = stats.bootstrap(stats.r2, evaluation.scores[:, 0], evaluation.targets)
    elif spec.task == "next-token":
        value = stats.language_report(evaluation.scores).bits
    else:
        right = int((evaluation.scores.argmax(1) == evaluation.targets).sum())
        value = stats.wilson(right, count)
    return Measured(METRIC[spec.task], value, evaluation, evaluation.seconds / max(count, 1))


def bought(before: Measured, after: Measured) -> Interval:
    """Return what the step from one model to another bought, paired on the same samples.

    A positive difference is a gain whatever the metric: of bits, those that are saved.
    """
    if not np.array_equal(before.evaluation.indices, after.evaluation.indices):
        raise ValueError("the models were measured on different samples")
    if before.metric == "accuracy":
        return stats.paired_difference(after.correct, before.correct)
    if before.metric == "bits-per-character":
        return stats.bits_saved(before.evaluation.scores, after.evaluation.scores)
    return stats.bootstrap_difference(
        stats.r2,
        after.evaluation.scores[:, 0],
        before.evaluation.scores[:, 0],
        after.evaluation.targets,
    )
