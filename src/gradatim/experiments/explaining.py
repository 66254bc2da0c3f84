"""Explain a network by name, a trained run, or the user's own: the anatomy, and one sample opened.

A network of the zoo is built without memory for its weights; a run is explained with the weights
it learnt, a network with those of a file, and, where a sample is named, with what they do to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradatim import anatomy, models, package
from gradatim.anatomy import features, whatif
from gradatim.anatomy.named import explain_named, own_input
from gradatim.anatomy.page import page as anatomy_page
from gradatim.core.page import Block, Fragment, Heading, Page
from gradatim.core.spec import Spec
from gradatim.core.talk import Talk
from gradatim.data.preprocessing import Preprocessing
from gradatim.errors import UsageError, ValueRefusedError
from gradatim.experiments import evaluation
from gradatim.experiments import folder as folders
from gradatim.experiments.opened import Opened
from gradatim.models.weights import load_weights

# Of the colours of ImageNet, with which the published networks were trained (pixels 0 to 1).
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Explained:
    """A network explained: ``facts`` are plain values for JSON, ``page`` shows them."""

    facts: dict[str, Any]
    page: Page


def explain(
    name: str,
    size: str | None,
    sample: str | None,
    weights: Path | None,
    options: Mapping[str, Any],
    talk: Talk,
) -> Explained:
    """Explain what the name stands for.

    Args:
        name: a model of the zoo, ``library:model``, ``package.module:factory``, or a run folder.
        size: shape of one input, ``3x224x224``; by default the published one, or the run's.
        sample: an image file; for a run also the number of a test sample.
        weights: file of the network's weights; a run has its own.
        options: of the model.
        talk: where progress goes.

    Raises:
        UnknownNameError: no model of this name.
        UsageError: the model does not run on this input; a sample without weights.
        WeightsError: the file cannot be read, or its names or shapes differ from the network's.
    """
    if (Path(name) / folders.RECIPE).is_file() or (Path(name) / "package.json").is_file():
        if weights is not None:
            raise UsageError(
                "a run has weights of its own",
                given=f"--weights {weights}",
                next_step="name the network to see it with other weights, e.g. gradatim explain "
                f"resnet18 --weights {weights}",
            )
        return _explain_run(Path(name), size, sample, talk)
    models.check_name(name)
    if weights is not None:
        return _explain_weights(name, size, sample, weights, options)
    if sample is not None:
        raise UsageError(
            "a sample is opened with the weights of a run",
            given=name,
            next_step=f"fit first, then: gradatim explain RUN --sample {sample}; or give the "
            "weights: --weights FILE",
        )
    found = explain_named(name, options=options, shape=_shape(size))
    return Explained(found.to_dict(), _with_controls(anatomy_page(found), found))


def _shape(text: str | None) -> tuple[int, ...] | None:
    """Read a shape such as ``3x224x224``."""
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueRefusedError(
            "this is not the shape of an input", given=text, allowed="e.g. 3x224x224"
        )
    return tuple(int(part) for part in parts)


def _with_controls(page: Page, found: anatomy.Anatomy) -> Page:
    """Return the page with the controls that change a network without branches."""
    markup = whatif.fragment(found)
    if markup is None:
        return page
    controls = Fragment(
        markup, "The HTML page has controls for kernels, strides and channels.", whatif.script()
    )
    place = next(
        index
        for index, block in enumerate(page.blocks)
        if isinstance(block, Heading) and block.anchor == "derivations"
    )
    added: list[Block] = [Heading("What if", "what-if"), controls]
    return Page(page.title, [*page.blocks[:place], *added, *page.blocks[place:]], page.subtitle)


def _explain_run(place: Path, size: str | None, sample: str | None, talk: Talk) -> Explained:
    model = package.load(place)
    shape = _shape(size) or model.spec.shape
    opened = None if sample is None else _open(place, model, sample, talk)
    return _with_weights(model, shape, opened)


def _explain_weights(
    name: str, size: str | None, sample: str | None, weights: Path, options: Mapping[str, Any]
) -> Explained:
    """Explain a network at full size with the weights of a file."""
    module = models.full_size(name, options).eval()
    load_weights(module, weights)
    shape = _shape(size) or own_input(module, name)
    if len(shape) == 3 and shape[0] in (1, 3) and shape[1] == shape[2]:
        model = _as_published(name, module, shape)
        opened = None if sample is None else _open_picture(model, sample)
        return _with_weights(model, shape, opened)
    if sample is not None:
        raise UsageError("only a square picture can be opened without a run", given=sample)
    found = anatomy.explain(module, shape, name=name)
    return Explained(found.to_dict(), _with_controls(anatomy_page(found), found))


def _as_published(name: str, module: nn.Module, shape: tuple[int, ...]) -> package.Model:
    """Return a network with the preprocessing that its published weights were trained with."""
    with torch.inference_mode():
        answer = module(torch.zeros(1, *shape))
    scores = answer.shape[1] if isinstance(answer, Tensor) and answer.ndim == 2 else 0
    settings = getattr(module, "pretrained_cfg", None) or {}
    mean, std = settings.get("mean", IMAGENET_MEAN), settings.get("std", IMAGENET_STD)
    if shape[0] == 1:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
    seen = Preprocessing("image", tuple(mean), tuple(std), size=shape[1], channels=shape[0])
    classes = tuple(str(index) for index in range(scores))
    spec = Spec("classification" if classes else "regression", "image", shape, classes)
    return package.Model(module, name, spec, seen, {})


def _with_weights(model: package.Model, shape: tuple[int, ...], opened: Opened | None) -> Explained:
    """Return the anatomy, what the weights show, and the sample that was opened."""
    found = anatomy.explain(model.module, shape, name=model.name)
    facts = found.to_dict()
    page = _with_controls(anatomy_page(found), found)
    blocks = list(_learnt(model))
    if opened is not None:
        blocks += opened.blocks()
        facts["sample"] = opened.facts()
    return Explained(facts, Page(page.title, [*page.blocks, *blocks], page.subtitle))


def _learnt(model: package.Model) -> Iterator[Block]:
    """Yield what can be seen of the weights alone."""
    if model.spec.kind != "image":
        return
    if model.name == "linear":
        weight = next(value for value in model.module.state_dict().values() if value.ndim == 2)
        yield Heading("Templates", "templates")
        yield features.templates(weight, model.spec.shape, model.classes)
    elif features.convolutions(model.module):
        yield Heading("Filters", "filters")
        yield features.filters(model.module)


def _open(place: Path, model: package.Model, sample: str, talk: Talk) -> Opened:
    """Return the sample as the model sees it, with the training samples to compare with."""
    recipe = evaluation.recipe_of_model(place)
    prepared = evaluation.own_data(place, talk)
    loss = recipe.training.loss or "cross-entropy"
    if not sample.isdecimal():
        return replace(_open_picture(model, sample), loss=loss, prepared=prepared, seed=recipe.seed)
    test = prepared.split.test
    if int(sample) >= len(test):
        raise ValueRefusedError(
            "there is no test sample of this number", given=sample, allowed=f"0 to {len(test) - 1}"
        )
    index = int(test[int(sample)])
    known = None if model.spec.task == "next-token" else float(prepared.targets[index])
    stored = np.asarray(prepared.inputs[index : index + 1])
    return Opened(model, stored, known, prepared.names[index], loss, prepared, recipe.seed)


def _open_picture(model: package.Model, sample: str) -> Opened:
    """Return a picture from a file; the name of its folder may be its class."""
    stored, rejected = model.preprocessing.read_files([Path(sample)])
    if rejected:
        raise UsageError(f"this sample cannot be read: {rejected[0][1]}", given=sample)
    folder = Path(sample).resolve().parent.name
    target = model.classes.index(folder) if folder in model.classes else None
    return Opened(model, stored, target, sample)
