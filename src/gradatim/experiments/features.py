"""Features: what a body that stays as it is makes of each image, computed once and kept.

On them a linear layer is fitted in seconds, and neighbours are looked up. What is kept is found
again by everything it depends on: every weight of the body, how images are read and standardised,
the content of the source, which samples, which view, precision and memory layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradatim.core.recipe import Recipe
from gradatim.core.talk import Talk
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.cache import building, cache_folder, claim
from gradatim.data.dataset import Prepared
from gradatim.experiments import logistic
from gradatim.models.head import features_of
from gradatim.models.knn import NearestNeighbours
from gradatim.models.pretrained import fingerprint
from gradatim.training import machine
from gradatim.training.evaluation import evaluation_mode

BATCH = 16
"""Images a pass. EfficientNet-Lite0 at 224 pixels took 24 ms of one core an image by 16 and 42 ms
by 64, whose activations leave the processor's cache."""
VIEWS = ("plain", "mirrored")
KIND = "features"


@dataclass(frozen=True)
class Fit:
    """A linear layer fitted on features.

    Attributes:
        weight, bias: of the layer, ``K x D`` and ``K``.
        facts: ``samples``, ``features``, ``views``, ``strength`` of the regularisation,
            ``cached`` (images whose features were kept already), and, with validation samples,
            ``neighbours_k`` and ``neighbours`` (what the neighbours get right).
    """

    weight: Tensor
    bias: Tensor
    facts: dict[str, Any]


def fit(
    prepared: Prepared,
    recipe: Recipe,
    model: nn.Module,
    layer: str,
    rows: Mapping[int, int],
    talk: Talk,
    cache: Path | None = None,
) -> Fit:
    """Fit the output layer of a network on the features of its body.

    Args:
        prepared: the data.
        recipe: with the machine's choices made; ``start.views`` says how many views are taken.
        model: begins with the weights; it is not changed.
        layer: name of its output layer.
        rows: rows of that layer that were copied: the fit is pulled towards them, and towards
            zero for the others.
        talk: where progress goes.
        cache: the cache folder; that of the platform when None.
    """
    views = VIEWS[: recipe.start.views or 1]
    key = body_key(prepared, recipe, model, layer)
    train, validation = prepared.split.train, prepared.split.validation
    kept = {"cached": 0}
    x = np.concatenate(
        [_features(prepared, recipe, model, layer, train, v, key, talk, cache, kept) for v in views]
    )
    targets = _targets(prepared, train)
    y = np.concatenate([targets] * len(views))
    held_x = held_y = None
    if len(validation):
        args = (validation, "plain", key, talk, cache, kept)
        held_x = torch.from_numpy(_features(prepared, recipe, model, layer, *args))
        held_y = torch.from_numpy(_targets(prepared, validation))
    start = _old_rows(model, layer, rows)
    place = machine.Place.of(recipe.machine, model)
    with machine.at_work(place, recipe.machine.threads):
        solved = logistic.choose(
            torch.from_numpy(x), torch.from_numpy(y), prepared.spec.outputs, held_x, held_y, start
        )
        neighbours = _neighbours(prepared, x[: len(train)], targets, held_x, held_y)
    facts = {
        "samples": len(train),
        "features": x.shape[1],
        "views": len(views),
        "strength": solved.strength,
        **kept,
        **neighbours,
    }
    return Fit(solved.weight, solved.bias, facts)


def body_key(prepared: Prepared, recipe: Recipe, model: nn.Module, layer: str) -> str:
    """Return a fingerprint of all that features depend on, but the samples and the view."""
    body = {n: t for n, t in model.state_dict().items() if not n.startswith(f"{layer}.")}
    chosen = recipe.machine
    parts = {
        "body": fingerprint(body),
        "model": recipe.model.name,
        "options": {key: str(value) for key, value in recipe.model.options.items()},
        "layer": layer,
        "data": prepared.key,
        "look": prepared.preprocessing.to_dict(),
        "machine": [chosen.device, chosen.precision, chosen.layout],
        "torch": torch.__version__,
    }
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _features(
    prepared: Prepared,
    recipe: Recipe,
    model: nn.Module,
    layer: str,
    indices: np.ndarray,
    view: str,
    key: str,
    talk: Talk,
    cache: Path | None,
    kept: dict[str, int],
) -> np.ndarray:
    """Return the features of samples, ``N x D`` float32: those that are kept, or computed now."""
    which = hashlib.blake2b(indices.astype(np.int64).tobytes(), digest_size=8).hexdigest()
    cache = cache or cache_folder()
    folder = claim(cache, KIND, key, f"{recipe.data.source} by {recipe.start.weights}")
    path = folder / f"{which}-{view}.npy"
    found = _read(path, len(indices))
    if found is not None:
        kept["cached"] += len(indices)
        return found
    batches = Batches(
        prepared,
        indices,
        batch_size=BATCH,
        augmentation=Augmentation(flip=1.0 if view == "mirrored" else 0.0),
        shuffle=False,
        layout=recipe.machine.layout or "contiguous",
    )
    place = machine.Place.of(recipe.machine, model)
    rows: list[np.ndarray] = []
    what = "features" if view == "plain" else f"features, {view}"
    with (
        machine.at_work(place, recipe.machine.threads),
        place.settled(model),
        evaluation_mode(model),
        features_of(model, layer) as seen,
        talk.track(f"{what} of {len(indices):,} images", len(indices), "images") as bar,
        torch.inference_mode(),
        place.autocast(),
    ):
        for batch in batches:
            inputs, _ = place.bring(batch)
            seen.clear()
            model(inputs)
            rows.append(seen[-1].reshape(len(inputs), -1).cpu().numpy().copy())
            bar.update(len(inputs))
    features = np.concatenate(rows)
    with building(cache, ".npy") as file:
        np.save(file, features)
        file.flush()
        Path(file.name).replace(path)
    return features


def _read(path: Path, count: int) -> np.ndarray | None:
    """Return kept features; None where there are none, or they are damaged."""
    try:
        features: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = features.ndim == 2 and len(features) == count and features.dtype == np.float32
    return features if whole else None


def _targets(prepared: Prepared, indices: np.ndarray) -> np.ndarray:
    targets: np.ndarray = prepared.targets[indices]
    if prepared.spec.task == "regression":
        return prepared.preprocessing.standardise(targets)
    return targets.astype(np.int64)


def _old_rows(
    model: nn.Module, layer: str, rows: Mapping[int, int]
) -> tuple[Tensor, Tensor] | None:
    """Return the copied rows and biases, zeros for the others; None where nothing was copied."""
    if not rows:
        return None
    head = model.get_submodule(layer)
    assert isinstance(head, nn.Linear)
    weight = torch.zeros_like(head.weight, device="cpu")
    bias = torch.zeros(len(weight))
    chosen = sorted(rows)
    weight[chosen] = head.weight.detach().cpu()[chosen]
    if head.bias is not None:
        bias[chosen] = head.bias.detach().cpu()[chosen]
    return weight.detach(), bias


def _neighbours(
    prepared: Prepared,
    x: np.ndarray,
    targets: np.ndarray,
    held_x: Tensor | None,
    held_y: Tensor | None,
) -> dict[str, Any]:
    """Return what k-nearest neighbours get right on the validation samples' features."""
    if held_x is None or held_y is None:
        return {}
    spec = prepared.spec
    of_features = type(spec)(spec.task, "vector", (x.shape[1],), spec.classes)
    neighbours = NearestNeighbours.for_spec(of_features, metric="cosine")
    samples = [(torch.from_numpy(x), torch.from_numpy(targets))]
    found = neighbours.solve(samples, [(held_x, held_y)])
    score = found.get("accuracy", found.get("error"))
    return {"neighbours_k": int(found["k"]), "neighbours": score}
