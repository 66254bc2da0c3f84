"""How far predicted values are from the true ones on held-out samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradatim.errors import ValueRefusedError
from gradatim.stats.intervals import Interval
from gradatim.stats.resampling import bootstrap


@dataclass(frozen=True)
class RegressionReport:
    """A regression measured on N samples, each number with its bootstrap interval.

    Attributes:
        r2: share of the targets' variance that is explained.
        mae: mean absolute error, in the target's unit.
        rmse: root of the mean squared error, in the target's unit.
    """

    r2: Interval
    mae: Interval
    rmse: Interval

    def to_event(self) -> dict[str, Any]:
        """Return the fields of the Record's ``test`` event, plain values for JSON."""
        return {
            "samples": self.r2.n,
            "metric": "r2",
            "value": self.r2.value,
            "low": self.r2.low,
            "high": self.r2.high,
            "regression": {
                "r2": self.r2.value,
                "mae": self.mae.value,
                "rmse": self.rmse.value,
                "intervals": {
                    name: [interval.low, interval.high] for name, interval in vars(self).items()
                },
            },
        }


def regression_report(
    predicted: ArrayLike, targets: ArrayLike, unit: str = "", seed: int = 0
) -> RegressionReport:
    """Measure a regression.

    Args:
        predicted: N values, in the target's unit.
        targets: N values.
        unit: of both.
        seed: of the bootstrap.

    Raises:
        ValueRefusedError: the shapes do not fit, there are no samples, or a value is not finite.
    """
    guess, true = _checked(predicted, targets)
    return RegressionReport(
        r2=bootstrap(r2, guess, true, seed=seed),
        mae=bootstrap(mae, guess, true, seed=seed, unit=unit),
        rmse=bootstrap(rmse, guess, true, seed=seed, unit=unit),
    )


def r2(predicted: ArrayLike, targets: ArrayLike) -> float:
    """Return the coefficient of determination: 1 - sum of squared errors / sum of squares.

    1 is perfect, 0 is as good as the mean, below 0 is worse. Equal targets have no variance to
    explain: NaN.
    """
    guess, true = np.asarray(predicted, np.float64), np.asarray(targets, np.float64)
    squares = ((true - true.mean()) ** 2).sum()
    return float(1 - ((true - guess) ** 2).sum() / squares) if squares > 0 else float("nan")


def mae(predicted: ArrayLike, targets: ArrayLike) -> float:
    """Return the mean absolute error."""
    guess, true = np.asarray(predicted, np.float64), np.asarray(targets, np.float64)
    return float(np.abs(true - guess).mean())


def rmse(predicted: ArrayLike, targets: ArrayLike) -> float:
    """Return the root of the mean squared error."""
    guess, true = np.asarray(predicted, np.float64), np.asarray(targets, np.float64)
    return float(np.sqrt(((true - guess) ** 2).mean()))


def farthest_off(predicted: ArrayLike, targets: ArrayLike, n: int) -> np.ndarray:
    """Return the indices of at most n samples, the largest absolute error first.

    Raises:
        ValueRefusedError: as ``regression_report``.
    """
    guess, true = _checked(predicted, targets)
    return np.argsort(-np.abs(guess - true), kind="stable")[:n]


def _checked(predicted: ArrayLike, targets: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    guess, true = np.asarray(predicted, np.float64), np.asarray(targets, np.float64)
    if guess.ndim != 1 or guess.shape != true.shape or not guess.size:
        raise ValueRefusedError(
            "predicted values and targets do not fit",
            given=f"shapes {guess.shape} and {true.shape}",
            allowed="(N,) twice, N at least 1",
        )
    if not (np.isfinite(guess).all() and np.isfinite(true).all()):
        raise ValueRefusedError("a value is not finite")
    return guess, true
