"""Defaults of training, and the values that are refused.

Sound choices for any module; the command line fills in its own, measured for each model, before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from gradatim.core.recipe import Recipe, TrainingRecipe
from gradatim.errors import UnknownNameError, ValueRefusedError
from gradatim.training import LOSSES, OPTIMISERS, SCHEDULES, machine

Task = Literal["classification", "regression", "next-token"]

EPOCHS = 10  # when neither epochs nor a budget are given

# Rates at which each rule usually learns on standardised data; the decay is that of the literature
# for the rule: beside the gradient for adamw, in the gradient for descent, none where the gradient
# is rescaled.
OPTIMISER: dict[str, dict[str, float]] = {
    "sgd": {"learning_rate": 0.1, "weight_decay": 5e-4},
    "momentum": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 5e-4},
    "nesterov": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 5e-4},
    "adagrad": {"learning_rate": 0.01, "epsilon": 1e-10},
    "rmsprop": {"learning_rate": 1e-3, "beta2": 0.99, "momentum": 0.0},
    "adadelta": {"learning_rate": 1.0, "beta2": 0.9, "epsilon": 1e-6},
    "adam": {"learning_rate": 1e-3},
    "adamw": {"learning_rate": 2e-3, "weight_decay": 0.01},
}
WARMUP = {"constant": 0.0, "step": 0.0, "cosine": 0.05, "one-cycle": 0.3}
EVERYWHERE: dict[str, Any] = {
    "label_smoothing": 0.0,
    "class_weights": "none",
    "momentum": 0.9,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.0,
    "l1": 0.0,
    "clip": 0.0,
    "step_every": 1 / 3,
    "step_factor": 0.1,
    "early_stopping": 0,
    "averaging": "none",
    "averaging_decay": 0.999,
}

# Least and largest value of each key; "(" and ")" leave the bound itself out.
RANGES: dict[str, tuple[str, float, float, str]] = {
    "label_smoothing": ("[", 0, 1, ")"),
    "learning_rate": ("(", 0, math.inf, ")"),
    "momentum": ("[", 0, 1, ")"),
    "beta1": ("[", 0, 1, ")"),
    "beta2": ("[", 0, 1, ")"),
    "epsilon": ("(", 0, math.inf, ")"),
    "weight_decay": ("[", 0, math.inf, ")"),
    "l1": ("[", 0, math.inf, ")"),
    "clip": ("[", 0, math.inf, ")"),
    "warmup": ("[", 0, 1, ")"),
    "step_every": ("(", 0, 1, "]"),
    "step_factor": ("(", 0, math.inf, ")"),
    "epochs": ("[", 1, math.inf, ")"),
    "budget": ("(", 0, math.inf, ")"),
    "early_stopping": ("[", 0, math.inf, ")"),
    "averaging_decay": ("(", 0, 1, ")"),
    "checkpoint_seconds": ("[", 0, math.inf, ")"),
}


def resolve(
    recipe: Recipe,
    model: nn.Module,
    task: Task,
    *,
    own_loss: bool = False,
) -> Recipe:
    """Return the recipe with every choice of training and machine made, each with its reason.

    What the recipe holds already is kept. When neither epochs, nor a budget, nor a plan is given,
    it gets ten epochs.

    Args:
        recipe: as far as it is settled.
        model: the module to be trained.
        task: what is learnt.
        own_loss: the loss is a function of the user's, and its name in the recipe just a name.

    Raises:
        UnknownNameError: a loss, optimiser or schedule that no table holds.
        ValueRefusedError: a value outside its range, or choices that exclude each other.
    """
    loss = "squared-error" if task == "regression" else "cross-entropy"
    recipe = _filled(recipe, {"loss": loss}, f"the task is a {task}")
    recipe = _filled(recipe, {"optimiser": "adamw"}, "it learns well at its default rate")
    recipe = _filled(recipe, {"schedule": "cosine"}, "it ends at the rate 0")
    training = recipe.training
    for table, kind, name in (
        (LOSSES, "loss", None if own_loss else training.loss),
        (OPTIMISERS, "optimiser", training.optimiser),
        (SCHEDULES, "schedule", training.schedule),
    ):
        if name is not None and name not in table:
            raise UnknownNameError(
                f"there is no {kind} of this name", given=name, allowed=list(table)
            )
    optimiser, schedule = str(training.optimiser), str(training.schedule)
    recipe = _filled(recipe, OPTIMISER[optimiser], f"usual for {optimiser}")
    recipe = _filled(recipe, {"warmup": WARMUP[schedule]}, f"usual for {schedule}")
    recipe = _filled(recipe, EVERYWHERE, "default")
    if training.epochs is None and training.budget is None and training.plan is None:
        recipe = _filled(recipe, {"epochs": EPOCHS}, "neither epochs nor a budget were given")
    check(recipe.training, task, own_loss=own_loss)
    return machine.resolve(recipe, model)


def check(recipe: TrainingRecipe, task: Task, *, own_loss: bool = False) -> None:
    """Refuse values outside their range, and choices that exclude each other.

    Raises:
        ValueRefusedError: with the key, the value and the range.
    """
    for key, (left, least, most, right) in RANGES.items():
        value = getattr(recipe, key)
        if value is None:
            continue
        low = value > least if left == "(" else value >= least
        high = value < most if right == ")" else value <= most
        if not (low and high):
            raise ValueRefusedError(
                f"training.{key} is out of range",
                given=value,
                allowed=f"{left}{least:g}, {most:g}{right}",
            )
    of_values = recipe.loss in ("squared-error", "absolute-error")
    if not own_loss and of_values != (task == "regression"):
        raise ValueRefusedError(
            f"this loss does not suit a {task}",
            given=recipe.loss,
            allowed="squared-error, absolute-error" if not of_values else "cross-entropy, hinge",
        )
    if recipe.label_smoothing and (own_loss or recipe.loss != "cross-entropy"):
        raise ValueRefusedError(
            "label smoothing belongs to the loss cross-entropy",
            given=recipe.label_smoothing,
            next_step="set training.label_smoothing=0",
        )
    if recipe.class_weights == "balanced" and (own_loss or of_values):
        raise ValueRefusedError(
            "class weights need a loss over classes",
            given=recipe.loss,
            next_step="set training.class_weights=none",
        )


def _filled(recipe: Recipe, values: Mapping[str, Any], reason: str) -> Recipe:
    return recipe.filled({f"training.{key}": value for key, value in values.items()}, reason)
