"""What is chosen when the user does not: one table of settings a model, with the reason beside.

The figures come from ``benchmarks/defaults.py``; ``docs/why/defaults.md`` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec

BUDGET = 300.0  # seconds, when neither a budget nor epochs are given

RUNGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("image", "classification"): ("majority", "knn", "linear", "mlp", "lenet", "resnet18"),
    ("image", "regression"): ("majority", "knn", "linear", "mlp", "lenet", "resnet18"),
    ("vector", "classification"): ("majority", "knn", "linear", "mlp"),
    ("vector", "regression"): ("majority", "knn", "linear", "mlp"),
}

ADAM = {"optimiser": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
MOMENTUM = {"optimiser": "momentum", "momentum": 0.9}

TRAINING: dict[str, dict[str, Any]] = {
    "linear": {**ADAM, "learning_rate": 3e-3, "weight_decay": 0.01, "warmup": 0.1},
    "mlp": {**ADAM, "learning_rate": 2e-3, "weight_decay": 0.05, "warmup": 0.1},
    "lenet": {**ADAM, "learning_rate": 3e-3, "weight_decay": 0.05, "warmup": 0.1},
    "resnet": {**MOMENTUM, "learning_rate": 0.1, "weight_decay": 5e-4, "warmup": 0.2,
               "label_smoothing": 0.1},
}  # fmt: skip
OTHER = {**ADAM, "learning_rate": 1e-3, "weight_decay": 0.05, "warmup": 0.1}

EVERYWHERE: dict[str, Any] = {
    "schedule": "cosine",
    "label_smoothing": 0.0,
    "class_weights": "none",
    "momentum": 0.9,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "l1": 0.0,
    "clip": 0.0,
    "step_every": 1 / 3,
    "step_factor": 0.1,
    "early_stopping": 0,
    "averaging": "none",
    "averaging_decay": 0.999,
}


def family(model: str) -> str:
    """Return the row of ``TRAINING`` for a model: ``resnet18`` is trained as ``resnet``."""
    return next((name for name in TRAINING if model.startswith(name)), model)


def batch_size(samples: int) -> int:
    """Return a batch size by the number of training samples: at least some fifty steps an epoch."""
    for size in (256, 128, 64, 32, 16):
        if samples >= 400 * size:
            return size if size < 256 else 128
    return 16 if samples < 800 else 32


def most_epochs(samples: int) -> int:
    """Return the number of epochs beyond which more time buys nothing on a small data set.

    Small sets are seen more often: the cap holds the steps at a few tens of thousands.
    """
    return int(min(200, max(40, 200_000 // max(samples, 1))))


def settle(recipe: Recipe, spec: Spec, samples: int, model: str) -> Recipe:
    """Return the recipe with every open choice of training made, each with its reason.

    Args:
        recipe: with the data's choices already made.
        spec: what enters and leaves the model.
        samples: number of training samples.
        model: name in ``MODELS``.
    """
    loss = "squared-error" if spec.task == "regression" else "cross-entropy"
    recipe = recipe.filled({"model.name": model}, "the rung of the ladder")
    recipe = recipe.filled({"training.loss": loss}, f"the task is a {spec.task}")
    recipe = recipe.filled(
        {"data.batch_size": batch_size(samples)}, f"{samples:,} training samples"
    )
    chosen = TRAINING.get(family(model), OTHER)
    if spec.task == "regression":
        chosen = {**chosen, "label_smoothing": 0.0}
    recipe = recipe.filled(_in_training(chosen), f"default of {family(model)}, measured")
    recipe = recipe.filled(_in_training(EVERYWHERE), "default of every model")
    if recipe.training.epochs is None and recipe.training.budget is None:
        recipe = recipe.filled({"training.budget": BUDGET}, "neither budget nor epochs were given")
    return recipe


def _in_training(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"training.{key}": value for key, value in values.items()}
