"""How sure one can be of what was measured: intervals, paired differences, reports. No torch."""

from gradatim.stats.classification import (
    ClassificationReport,
    calibration,
    classification_report,
    confusion,
    cross_entropy,
    most_wrong,
    per_class,
    top_k,
)
from gradatim.stats.intervals import Interval, percent
from gradatim.stats.language import LanguageReport, bits_saved, language_report
from gradatim.stats.means import mean_interval
from gradatim.stats.proportions import count_pairs, mcnemar, paired_difference, wilson
from gradatim.stats.regression import (
    RegressionReport,
    farthest_off,
    mae,
    r2,
    regression_report,
    rmse,
)
from gradatim.stats.resampling import bootstrap, bootstrap_difference

__all__ = [
    "ClassificationReport",
    "Interval",
    "LanguageReport",
    "RegressionReport",
    "bits_saved",
    "bootstrap",
    "bootstrap_difference",
    "calibration",
    "classification_report",
    "confusion",
    "count_pairs",
    "cross_entropy",
    "farthest_off",
    "language_report",
    "mae",
    "mcnemar",
    "mean_interval",
    "most_wrong",
    "paired_difference",
    "per_class",
    "percent",
    "r2",
    "regression_report",
    "rmse",
    "top_k",
    "wilson",
]
