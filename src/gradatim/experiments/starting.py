"""Starting from weights: where they are, what belongs to them, and a network that begins with them.

The network is built for the new task; all but its output layer is copied. The rows of the output
layer are copied for classes whose names both tasks share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from gradatim import package
from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec
from gradatim.core.talk import Talk
from gradatim.errors import UsageError, ValueRefusedError, WeightsError
from gradatim.models import check_name, pretrained
from gradatim.models.external import runs_code
from gradatim.models.head import Head, find_head
from gradatim.models.pretrained import Pretrained
from gradatim.models.shared_classes import match, read_classes, read_names
from gradatim.training.tuning import check

METHODS = ("features", "fine-tuning")
LABELS = {"features": "features", "fine-tuning": "fine-tuned", "scratch": "from scratch"}
SHOWN = 12  # names listed in a sentence
MOMENTUM = 0.1  # of batch normalisation, where nothing else is said to PyTorch


@dataclass(frozen=True)
class Start:
    """What a network began with.

    Attributes:
        head: its output layer.
        rows: rows of the output layer that were copied: new class -> old class.
        fresh: names of the tensors that were not copied, rows that were copied included.
        outputs: of the old classifier; 0 where the weights lack it.
        unclear: classes whose name fits several old ones.
    """

    head: Head
    rows: dict[int, int]
    fresh: list[str]
    outputs: int
    facts: dict[str, Any]


def is_ladder(recipe: Recipe) -> bool:
    """Return whether the recipe asks for a ladder: no model is named, or weights and no method."""
    if recipe.start.weights is not None:
        return recipe.start.method is None
    return recipe.model.name is None


def label(recipe: Recipe) -> str:
    """Return what a model is called among others: its name, or what was done with the weights."""
    if recipe.start.weights is not None and recipe.start.method is not None:
        return LABELS[recipe.start.method]
    return str(recipe.model.name)


def read(recipe: Recipe) -> Pretrained:
    """Read the weights a recipe names.

    Raises:
        UsageError: nothing is there, or it does not say which network it belongs to.
        WeightsError: they are damaged, or hold code; or they are not those the run began with.
        PackageError: the package is damaged.
    """
    weights, options = str(recipe.start.weights), recipe.model.options
    if Path(weights).expanduser().is_dir():
        found = _of_package(Path(weights).expanduser(), weights, recipe)
    elif pretrained.is_file(weights):
        found = pretrained.read_file(weights, recipe.model.name, options)
    else:
        found = pretrained.read_external(weights, options)
    kept = recipe.start.digest
    if kept is not None and found.digest != kept:
        raise WeightsError(
            "these are not the weights the run began with",
            given=weights,
            next_step="bring the old ones back, or fit again",
        )
    return found


def settle(recipe: Recipe, talk: Talk) -> Recipe:
    """Return the recipe with what the weights decide: network, size and look of the images.

    Raises:
        As ``read``; ValueRefusedError: another network was named than the weights belong to.
    """
    check(recipe.start)
    found = read(recipe)
    if recipe.model.name is not None and recipe.model.name != found.name:
        raise ValueRefusedError(
            "the weights belong to another network",
            given=recipe.model.name,
            allowed=found.name,
            next_step="leave --model out",
        )
    check_name(found.name)
    belongs = f"belongs to the weights {recipe.start.weights}"
    options = {f"model.{key}": value for key, value in found.options.items()}
    recipe = recipe.filled({"model.name": found.name, **options}, belongs)
    recipe = recipe.filled({"start.digest": found.digest}, "of the weights as they were read")
    for key, (value, reason) in found.settings.items():
        own = recipe.get(key)
        if own is not None and own != value:
            talk.warn(f"{key} is {_shown(own)}; the weights were made with {_shown(value)}")
        recipe = recipe.filled({key: value}, reason)
    for remark in found.remarks:
        talk.say(remark)
    return recipe


def begin(model: nn.Module, spec: Spec, recipe: Recipe, talk: Talk) -> Start:
    """Copy the weights into a network that was built for the new task.

    Raises:
        UsageError: the network does not run on such an input.
        WeightsError: names or shapes do not fit; each is listed.
        ValueRefusedError: rows are asked for, and no class is shared.
    """
    if spec.kind != "image":
        raise UsageError(
            "fine-tuning starts from networks for images; these samples are of another kind",
            given=spec.kind,
            next_step="leave --from out",
        )
    found = read(recipe)
    head = find_head(model, spec.shape)
    fresh = pretrained.transplant(model, found, head)
    outputs = pretrained.outputs_of(found, head)
    old = _old_classes(recipe, found, outputs)
    synonyms = read_names(recipe.start.synonyms) if recipe.start.synonyms else []
    shared = match(spec.classes, old, synonyms)
    wanted = "none" if recipe.start.head == "fresh" else recipe.start.rows or "names"
    rows = dict(shared.pairs) if wanted == "names" else {}
    if recipe.start.rows == "names" and not rows:
        raise ValueRefusedError(
            "no class of the new task has the name of an old one, so no row can be copied",
            given=", ".join(spec.classes[:SHOWN]) or None,
            allowed=_named(old) or "the weights do not name their classes: set start.classes",
            next_step="give start.synonyms, a file with names of one class in each line",
        )
    pretrained.copy_rows(model.get_submodule(head.name), found, head, rows)
    told = {spec.classes[new]: next(iter(old[index])) for new, index in rows.items()}
    _say(talk, found, head, told, outputs, len(spec.classes), shared.unclear)
    tensors = model.state_dict()
    facts = {
        "weights": found.origin,
        "digest": found.digest,
        "layer": head.name,
        "copied": len(tensors) - len(fresh),
        "fresh": fresh,
        "old_outputs": outputs,
        "rows": told,
        "unclear": {name: list(others) for name, others in shared.unclear.items()},
    }
    return Start(head, rows, fresh, outputs, facts)


def forget(model: nn.Module, seed: int) -> None:
    """Initialise every layer anew by its own rule, for a network that comes with weights.

    A network that was made for hundreds of thousands of steps may average the statistics of batch
    normalisation over hundreds of them (EfficientNet: momentum 0.01); after a short training these
    are still those of random weights, and it answers one class. So the momentum is at least
    PyTorch's own.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in model.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            if isinstance(module, _BatchNorm) and module.momentum is not None:
                module.momentum = max(module.momentum, MOMENTUM)


def _of_package(folder: Path, weights: str, recipe: Recipe) -> Pretrained:
    named = recipe.model.name
    loaded = package.load(folder, run_code=named is not None and runs_code(named))
    look = loaded.preprocessing
    if look.kind != "image":
        raise UsageError(
            "fine-tuning starts from networks for images; this one takes another kind of sample",
            given=weights,
            next_step="leave --from out",
        )
    values: dict[str, Any] = {
        "data.size": look.size,
        "data.channels": look.channels,
        "data.shape": look.shape,
        "data.interpolation": look.interpolation,
        "data.mean": tuple(look.mean),
        "data.std": tuple(look.std),
    }
    reason = f"as {weights} was trained"
    return Pretrained(
        weights,
        loaded.name,
        dict(loaded.facts["model"]["options"]),
        loaded.module.state_dict(),
        tuple((name,) for name in loaded.classes),
        {key: (value, reason) for key, value in values.items()},
    )


def _old_classes(recipe: Recipe, found: Pretrained, outputs: int) -> Sequence[tuple[str, ...]]:
    old = (
        read_classes(recipe.start.classes)
        if recipe.start.classes
        else pretrained.old_classes(found, outputs)
    )
    if old and outputs and len(old) != outputs:
        raise ValueRefusedError(
            "the names of the old classes do not fit the old output layer",
            given=f"{len(old):,} names",
            allowed=f"{outputs:,}, one for each of its rows",
            next_step="set start.classes to the right file, or start.rows=none",
        )
    return old if outputs else ()


def _say(
    talk: Talk,
    found: Pretrained,
    head: Head,
    told: dict[str, str],
    outputs: int,
    classes: int,
    unclear: Any,
) -> None:
    begun = f"{found.origin}: all of {found.name} but its output layer {head.name} is copied"
    if told:
        pairs = [f"{new} = {old}" if new != old else new for new, old in told.items()]
        rest = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
        talk.say(
            f"{begun}; rows copied by name, {len(told)} of {classes}: "
            + ", ".join(pairs[:SHOWN])
            + rest
        )
    elif outputs:
        talk.say(f"{begun}; none of the {outputs:,} old classes has the name of a new one")
    else:
        talk.say(begun)
    for name, others in unclear.items():
        talk.say(f"{name} could be any of {', '.join(others)}: its row is made anew")


def _named(old: Sequence[tuple[str, ...]]) -> str:
    names = [row[0] for row in old[:SHOWN]]
    return ", ".join(names) + (f" and {len(old) - SHOWN:,} more" if len(old) > SHOWN else "")


def _shown(value: Any) -> str:
    return ", ".join(f"{x:g}" for x in value) if isinstance(value, tuple) else str(value)
