"""What is chosen when the user does not: one table of settings a model, with the reason beside.

Where a setting was measured the reason says where; the others are usual for their optimiser.
"""

from __future__ import annotations

from typing import Any

from gradatim.core.recipe import Recipe
from gradatim.core.registry import known
from gradatim.core.spec import Spec
from gradatim.data.suggestion import suggest
from gradatim.models import check_name
from gradatim.training import LOSSES, OPTIMISERS, SCHEDULES
from gradatim.training.machine import check_device

STREAMS = 16  # of a text, read side by side
BUDGET = 300.0  # seconds, when neither a budget nor epochs are given

RUNGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("image", "classification"): ("majority", "knn", "linear", "mlp", "lenet", "resnet9"),
    ("image", "regression"): ("majority", "knn", "linear", "mlp", "lenet", "resnet9"),
    ("vector", "classification"): ("majority", "knn", "linear", "mlp"),
    ("vector", "regression"): ("majority", "knn", "linear", "mlp"),
    ("sequence", "classification"): ("majority", "knn", "linear", "rnn", "gru", "lstm"),
    ("sequence", "regression"): ("majority", "knn", "linear", "rnn", "gru", "lstm"),
    ("text", "classification"): ("majority", "bag", "rnn", "gru", "lstm"),
    ("text", "regression"): ("majority", "bag", "rnn", "gru", "lstm"),
    ("text", "next-token"): ("majority", "ngram", "rnn", "gru", "lstm"),
}
LARGE = {"resnet9": "resnet18"}  # what takes the place of a net for small images

ADAM = {"optimiser": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
NESTEROV = {"optimiser": "nesterov", "momentum": 0.9}

TRAINING: dict[str, dict[str, Any]] = {
    "linear": {**ADAM, "learning_rate": 3e-3, "weight_decay": 0.01, "warmup": 0.1},
    "mlp": {**ADAM, "learning_rate": 2e-3, "weight_decay": 0.05, "warmup": 0.1},
    "lenet": {**ADAM, "learning_rate": 3e-3, "weight_decay": 0.05, "warmup": 0.1},
    "resnet9": {**NESTEROV, "learning_rate": 0.25, "weight_decay": 5e-4, "warmup": 0.2,
                "label_smoothing": 0.1},
    "resnet": {**NESTEROV, "learning_rate": 0.1, "weight_decay": 5e-4, "warmup": 0.2,
               "label_smoothing": 0.1},
}  # fmt: skip
# Samples a step for which the rate of a row was measured. Smaller batches take less in proportion
# (Goyal et al. 2017, "Accurate, Large Minibatch SGD": the linear scaling rule).
RATE_FOR = {"resnet9": 128}
RECURRENT = {**ADAM, "weight_decay": 0.01, "warmup": 0.1, "clip": 1.0}
TRAINING |= {
    "bag": {**ADAM, "learning_rate": 1e-2, "weight_decay": 0.05, "warmup": 0.1},
    "rnn": {**RECURRENT, "learning_rate": 1e-3},
    "gru": {**RECURRENT, "learning_rate": 3e-3},
    "lstm": {**RECURRENT, "learning_rate": 3e-3},
}
# Where a network starts from weights; docs/why/fine-tuning.md says where each comes from.
TUNING = {**ADAM, "learning_rate": 1e-3, "weight_decay": 0.05, "warmup": 0.1,
          "label_smoothing": 0.1, "epochs": 12}  # fmt: skip
START: dict[str, Any] = {"rows": "names", "frozen": "0", "lower_rate": 0.1, "pull": 0.0,
                         "normalisation": "kept"}  # fmt: skip
HEAD_SHARE = 0.15  # where the output layer does not come from the features
# What was reached with a row as it stands; the others were compared with nothing.
REACHED = {
    "lenet": "it reached 90.5 % on Fashion-MNIST (recipes/fashion-mnist-lenet.toml)",
    "resnet9": "it learnt fastest of those compared (docs/why/time-to-accuracy.md)",
    "resnet": "it reached 79.5 % on CIFAR-10 in five minutes (benchmarks/results/line.md)",
    "lstm": "it beat a 5-gram on a text (benchmarks/results/characters.md)",
}
OTHER = {**ADAM, "learning_rate": 1e-3, "weight_decay": 0.05, "warmup": 0.1}


def family(model: str) -> str:
    """Return the row of ``TRAINING`` for a model: ``resnet18`` is trained as ``resnet``."""
    return next((name for name in TRAINING if model.startswith(name)), model)


def rungs(spec: Spec) -> tuple[str, ...]:
    """Return the models of the ladder for such data, the simplest first."""
    from gradatim.models.blocks import is_small  # loads torch

    names = RUNGS[spec.kind, spec.task]
    if spec.kind == "image" and not is_small(spec):
        return tuple(LARGE.get(name, name) for name in names)
    return names


def batch_size(samples: int, model: str = "") -> int:
    """Return a batch size by the number of training samples: at least some fifty steps an epoch."""
    steps = 100 if family(model) in RATE_FOR else 400
    for size in (128, 64, 32, 16):
        if samples >= steps * size:
            return size
    return 16 if samples < 800 else 32


def most_epochs(samples: int) -> int:
    """Return the number of epochs beyond which more time buys nothing on a small data set.

    Small sets are seen more often: the cap holds the steps at a few tens of thousands.
    """
    return int(min(200, max(40, 200_000 // max(samples, 1))))


def check(recipe: Recipe) -> None:
    """Refuse names and values that cannot be used, before any work is done.

    Raises:
        UnknownNameError: no such model, loss, optimiser or schedule.
        ValueRefusedError: no such device here.
    """
    if recipe.model.name is not None:
        check_name(recipe.model.name)
    if recipe.machine.device is not None:
        check_device(recipe.machine.device)
    chosen = recipe.training
    for table, kind, name in (
        (LOSSES, "loss", chosen.loss),
        (OPTIMISERS, "optimiser", chosen.optimiser),
        (SCHEDULES, "schedule", chosen.schedule),
    ):
        if name is not None:
            known(table, name, kind)


def settle(recipe: Recipe, spec: Spec, samples: int, model: str) -> Recipe:
    """Return the recipe with the choices made that depend on the model, each with its reason.

    What is still open after it is chosen by the room ``training``.

    Args:
        recipe: with the choices about the data made.
        spec: what enters and leaves the model.
        samples: number of training samples.
        model: name in ``MODELS``.
    """
    recipe = recipe.filled({"model.name": model}, "the rung of the ladder")
    size, reason = batch_size(samples, model), f"{samples:,} training samples"
    if spec.task == "next-token":
        size = STREAMS
        reason = f"one step foretells {STREAMS * spec.size:,} characters; more steps teach more"
    recipe = recipe.filled({"data.batch_size": size}, reason)
    chosen = TRAINING.get(family(model), OTHER)
    if spec.task == "regression":
        chosen = {**chosen, "label_smoothing": 0.0}
    usual = RATE_FOR.get(family(model))
    if usual is not None and (recipe.data.batch_size or usual) < usual:
        rate = chosen["learning_rate"] * (recipe.data.batch_size or usual) / usual
        reason = f"{chosen['learning_rate']} for batches of {usual}, less in proportion"
        recipe = recipe.filled({"training.learning_rate": rate}, reason)
    settings = {f"training.{key}": value for key, value in chosen.items()}
    reached = REACHED.get(family(model), "usual for the optimiser, not compared with others")
    recipe = recipe.filled(settings, f"default of {family(model)}: {reached}")
    for key, (value, reason) in augmentation(spec, model).items():
        recipe = recipe.filled({key: value}, reason)
    if recipe.training.epochs is None:
        reason = f"more passes over {samples:,} samples buy nothing"
        recipe = recipe.filled({"training.epochs": most_epochs(samples)}, reason)
    return recipe


def settle_tuning(recipe: Recipe, spec: Spec) -> Recipe:
    """Return the recipe with the training of a network that starts from weights chosen."""
    chosen = dict(TUNING)
    if spec.task == "regression":
        chosen["label_smoothing"] = 0.0
    settings = {f"training.{key}": value for key, value in chosen.items()}
    return recipe.filled(settings, "usual for fine-tuning, not compared here")


def settle_start(recipe: Recipe, spec: Spec, exact: bool) -> Recipe:
    """Return the recipe with the choices made about how a network goes on from its weights.

    Args:
        recipe: with the weights and the method.
        spec: of the data.
        exact: whether a linear layer on the features is the network's own output layer.
    """
    flip = float(suggest(spec)["data.flip"][0]) > 0
    reason = "a mirrored photo shows the same class" if flip else "the data may have a direction"
    recipe = recipe.filled({"start.views": 2 if flip else 1}, reason)
    values = {f"start.{key}": value for key, value in START.items()}
    recipe = recipe.filled(values, "usual for fine-tuning, not compared here")
    head = "features" if exact else "rows"
    reason = "the layer fitted on the features is where training the head first would end"
    recipe = recipe.filled({"start.head": head}, reason if exact else "it ends in no dense layer")
    share = 0.0 if recipe.start.head == "features" else HEAD_SHARE
    reason = "the head begins fitted" if not share else "a fresh head would spoil the body"
    return recipe.filled({"start.head_share": share}, reason)


def augmentation(spec: Spec, model: str) -> dict[str, tuple[Any, str]]:
    """Return the augmentation by recipe key, with reasons.

    None for models without convolutions. LeNet is not shifted: on Fashion-MNIST in ten passes it
    reached 88.4 % with shifts and 90.5 % without (recipes/fashion-mnist-lenet.toml).
    """
    suggested = suggest(spec)
    if spec.kind != "image":
        return suggested
    if family(model) in ("linear", "mlp", "majority", "knn"):
        reason = f"{model} compares pixel with pixel"
        return {key: ("none" if key == "data.crop" else 0, reason) for key in suggested}
    if family(model) == "lenet":
        reason = "so small a net learns more from the pictures as they are"
        return suggested | {"data.crop": ("none", reason), "data.crop_padding": (0, "not used")}
    return suggested
