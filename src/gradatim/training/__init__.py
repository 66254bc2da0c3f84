"""Training: the one loop, its losses, optimisers, schedules and metrics, and the checkpoints.

The tables hold ``"module:name"`` texts, so that they can be listed without torch; the functions
below are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

LOSSES: dict[str, str] = {
    "cross-entropy": "gradatim.training.losses:cross_entropy",
    "hinge": "gradatim.training.losses:hinge",
    "squared-error": "gradatim.training.losses:squared_error",
    "absolute-error": "gradatim.training.losses:absolute_error",
}

OPTIMISERS: dict[str, str] = {
    "sgd": "gradatim.training.optimisers:sgd",
    "momentum": "gradatim.training.optimisers:momentum",
    "nesterov": "gradatim.training.optimisers:nesterov",
    "adagrad": "gradatim.training.optimisers:adagrad",
    "rmsprop": "gradatim.training.optimisers:rmsprop",
    "adadelta": "gradatim.training.optimisers:adadelta",
    "adam": "gradatim.training.optimisers:adam",
    "adamw": "gradatim.training.optimisers:adamw",
}

SCHEDULES: dict[str, str] = {
    "constant": "gradatim.training.schedules:constant",
    "step": "gradatim.training.schedules:step",
    "cosine": "gradatim.training.schedules:cosine",
    "one-cycle": "gradatim.training.schedules:one_cycle",
}

METRICS: dict[str, str] = {
    "accuracy": "gradatim.training.metrics:Accuracy",
    "top5": "gradatim.training.metrics:TopFive",
    "bits-per-character": "gradatim.training.metrics:BitsPerToken",
    "r2": "gradatim.training.metrics:R2",
    "mae": "gradatim.training.metrics:MeanAbsoluteError",
    "rmse": "gradatim.training.metrics:RootMeanSquaredError",
}

_PLACES = {
    "train": "gradatim.training.loop",
    "Trained": "gradatim.training.loop",
    "evaluate": "gradatim.training.evaluation",
    "Evaluation": "gradatim.training.evaluation",
    "resolve": "gradatim.training.defaults",
    "Plan": "gradatim.training.plan",
    "Watch": "gradatim.training.watching",
}

__all__ = ["LOSSES", "METRICS", "OPTIMISERS", "SCHEDULES", *_PLACES]

if TYPE_CHECKING:
    from gradatim.training.defaults import resolve as resolve
    from gradatim.training.evaluation import Evaluation as Evaluation
    from gradatim.training.evaluation import evaluate as evaluate
    from gradatim.training.loop import Trained as Trained
    from gradatim.training.loop import train as train
    from gradatim.training.plan import Plan as Plan
    from gradatim.training.watching import Watch as Watch


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'gradatim.training' has no attribute {name!r}")
    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return sorted(__all__)
