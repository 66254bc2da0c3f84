"""Features: what a body that stays as it is makes of each image, computed once and kept.

On them a linear layer is fitted in seconds, and neighbours are looked up. What is kept is found
again by everything it depends on: every weight of the body, how images are read and standardised,
the content of the source, which samples, which view, precision and memory layout.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradatim.core.recipe import Recipe
from gradatim.core.talk import SILENCE, Talk
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.cache import building, cache_folder, claim
from gradatim.data.dataset import Prepared
from gradatim.data.split import limited, limited_per_class
from gradatim.experiments import logistic
from gradatim.models.head import features_of
from gradatim.models.knn import NearestNeighbours
from gradatim.models.pretrained import fingerprint
from gradatim.training import machine
from gradatim.training.evaluation import evaluation_mode

BATCH = 16
"""Images a pass. With the memory kept between passes more gain nothing: EfficientNet-Lite0 at 224
pixels in bf16 took 3.4 ms an image by 16 and 3.6 by 64 (2 cores)."""
VIEWS = ("plain", "mirrored")
KIND = "features"
TIMED = 3  # passes by which an image is timed; the first is left out
SOLVING = 0.2  # of the time is left for fitting the layer
LEAST = 200  # training samples whose features are taken however small the budget
EACH = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # samples a class along the learning curve
CURVE_SAMPLES = 4000  # of one point of the curve, at most: more take longer than they tell


@dataclass(frozen=True)
class Fit:
    """A linear layer fitted on features.

    Attributes:
        weight, bias: of the layer, ``K x D`` and ``K``.
        facts: ``samples``, ``features``, ``views``, ``strength`` of the regularisation,
            ``cached`` (images whose features were kept already), and, with validation samples,
            ``neighbours_k``, ``neighbours`` (what the neighbours get right) and, of classes,
            ``curve``: what the layer gets ``right`` of ``n`` when it is fitted on at most
            ``each`` samples of each class. Where rows were copied and there are validation
            samples, ``with_rows`` and ``without_rows``: ``right`` of ``n`` and the ``loss``.
    """

    weight: Tensor
    bias: Tensor
    facts: dict[str, Any]


@dataclass
class Body:
    """The part of a network whose output the features are, with what it is applied to.

    Attributes:
        prepared: the data.
        recipe: with the machine's choices made.
        model: holds the weights; it is not changed.
        layer: name of its output layer.
        talk: where progress goes.
        cache: the cache folder; that of the platform when None.
        cached: images whose features were kept already, of those asked for so far.
    """

    prepared: Prepared
    recipe: Recipe
    model: nn.Module
    layer: str
    talk: Talk
    cache: Path | None = None
    cached: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._key = body_key(self.prepared, self.recipe, self.model, self.layer)

    def has(self, indices: np.ndarray, view: str) -> bool:
        """Return whether the features of these samples are kept."""
        return self._path(indices, view).exists()

    def features(self, indices: np.ndarray, view: str) -> np.ndarray:
        """Return features of samples, ``N x D`` float32: those that are kept, or computed now."""
        path = self._path(indices, view)
        found = _read(path, len(indices))
        if found is not None:
            self.cached += len(indices)
            return found
        features = np.concatenate(list(self._passes(indices, view)))
        with building(self.cache or cache_folder(), ".npy") as file:
            np.save(file, features)
            file.flush()
            Path(file.name).replace(path)
        return features

    def seconds_per_image(self, indices: np.ndarray) -> float:
        """Return what an image takes, by a few passes."""
        times = [time.monotonic()]
        for _ in islice(self._passes(indices[: TIMED * BATCH], "plain", silent=True), TIMED):
            times.append(time.monotonic())
        passes = np.diff(times)
        return float(min(passes[1:] if len(passes) > 1 else passes)) / min(BATCH, len(indices))

    def _passes(
        self, indices: np.ndarray, view: str, *, silent: bool = False
    ) -> Iterator[np.ndarray]:
        """Yield the features of one batch after the other, ``B x D`` float32."""
        batches = Batches(
            self.prepared,
            indices,
            batch_size=BATCH,
            augmentation=Augmentation(flip=1.0 if view == "mirrored" else 0.0),
            shuffle=False,
            layout=self.recipe.machine.layout or "contiguous",
        )
        place = machine.Place.of(self.recipe.machine, self.model)
        what = "features" if view == "plain" else f"features, {view}"
        talk = SILENCE if silent else self.talk
        with (
            machine.at_work(place, self.recipe.machine.threads),
            place.settled(self.model),
            evaluation_mode(self.model),
            features_of(self.model, self.layer) as seen,
            talk.track(f"{what} of {len(indices):,} images", len(indices), "images") as bar,
        ):
            done = 0
            for batch in batches:
                inputs, _ = place.bring(batch)
                seen.clear()
                with torch.inference_mode(), place.autocast():
                    self.model(inputs)
                yield seen[-1].reshape(len(inputs), -1).cpu().numpy().copy()
                done += len(inputs)
                bar.update(done)

    def _path(self, indices: np.ndarray, view: str) -> Path:
        which = hashlib.blake2b(indices.astype(np.int64).tobytes(), digest_size=8).hexdigest()
        what = f"{self.recipe.data.source} by {self.recipe.start.weights}"
        return claim(self.cache or cache_folder(), KIND, self._key, what) / f"{which}-{view}.npy"


def within(body: Body, seconds: float | None) -> Recipe:
    """Return the recipe with as many views and samples as have their features taken in time.

    The mirror images go first, then training samples. A recipe that says ``start.samples`` is
    left as it is, so that a run that goes on does not choose anew.

    Args:
        body: what the features are those of.
        seconds: there are; None: as many as it takes.
    """
    recipe, split = body.recipe, body.prepared.split
    if seconds is None or recipe.start.samples is not None:
        return recipe
    count, held = len(split.train), len(split.validation)
    views = VIEWS[: recipe.start.views or 1]
    to_take = [(split.train, view) for view in views] + [(split.validation, "plain")] * (held > 0)
    missing = sum(len(indices) for indices, view in to_take if not body.has(indices, view))
    each = body.seconds_per_image(split.train) if missing else 0.0
    there_are = (1 - SOLVING) * seconds
    if missing * each <= there_are:
        return recipe.with_values({"start.samples": count}, "there is time for all")
    reason = f"an image takes {1000 * each:.3g} ms, and there are {seconds:.3g} s"
    if "start.views" in recipe.reasons:  # not what the user asked for
        views = VIEWS[:1]
        recipe = recipe.with_values({"start.views": 1}, reason)
    most = (int(there_are / each) - held) // len(views)
    fitting = max(LEAST, len(body.prepared.spec.classes), most)
    return recipe.with_values({"start.samples": min(count, fitting)}, reason)


def fit(body: Body, rows: Mapping[int, int]) -> Fit:
    """Fit the output layer of a network on the features of its body.

    Args:
        body: with the recipe settled; ``start.views`` says how many views are taken, and
            ``start.samples`` of how many training samples.
        rows: rows of that layer that were copied: the fit is pulled towards them, and towards
            zero for the others; where the validation samples say so, they are left out.
    """
    prepared, recipe = body.prepared, body.recipe
    spec, split, seed = prepared.spec, prepared.split, recipe.seed
    if recipe.start.samples is not None:
        split = limited(split, prepared.targets, spec.classes, recipe.start.samples, seed)
    views = VIEWS[: recipe.start.views or 1]
    train = split.train
    x = torch.from_numpy(np.concatenate([body.features(train, view) for view in views]))
    targets = _targets(prepared, train)
    y = torch.from_numpy(np.concatenate([targets] * len(views)))
    held_x = held_y = None
    if len(split.validation):
        held_x = torch.from_numpy(body.features(split.validation, "plain"))
        held_y = torch.from_numpy(_targets(prepared, split.validation))
    known = _old_rows(body.model, body.layer, rows)
    facts: dict[str, Any] = {
        "samples": len(train),
        "features": x.shape[1],
        "views": len(views),
        "cached": body.cached,
    }
    place = machine.Place.of(recipe.machine, body.model)
    with machine.at_work(place, recipe.machine.threads):
        solved = logistic.choose(x, y, spec.outputs, held_x, held_y, known)
        if known is not None and held_x is not None and held_y is not None:
            without = logistic.choose(x, y, spec.outputs, held_x, held_y)
            for key, layer in (("with_rows", solved), ("without_rows", without)):
                facts[key] = {**_right(layer, held_x, held_y), "loss": min(layer.losses.values())}
            if facts["without_rows"]["loss"] < facts["with_rows"]["loss"]:
                solved, known = without, None
        facts["strength"] = solved.strength
        facts |= _neighbours(prepared, x[: len(train)].numpy(), targets, held_x, held_y)
        shown = recipe.start.method == "features" and spec.classes
        if shown and held_x is not None and held_y is not None:
            facts["curve"] = []
            # Fewer samples want the strength that all want, or more.
            strengths = (10 * solved.strength, solved.strength)
            for each in EACH:
                some = limited_per_class(split, prepared.targets, spec.classes, each, seed).train
                if len(some) == len(train) or len(some) > CURVE_SAMPLES:
                    break
                rows_of = np.flatnonzero(np.isin(train, some))
                kept = np.concatenate([rows_of + view * len(train) for view in range(len(views))])
                layer = logistic.choose(
                    x[kept], y[kept], spec.outputs, held_x, held_y, known, strengths
                )
                facts["curve"].append({"each": each, **_right(layer, held_x, held_y)})
            most = int(np.bincount(targets, minlength=spec.outputs).max())
            facts["curve"].append({"each": most, **_right(solved, held_x, held_y)})
    return Fit(solved.weight, solved.bias, facts)


def _right(layer: logistic.Solved, held_x: Tensor, held_y: Tensor) -> dict[str, int]:
    """Return what a layer gets right of the held-out samples."""
    answers = (held_x @ layer.weight.T + layer.bias).argmax(1)
    return {"right": int((answers == held_y).sum()), "n": len(held_y)}


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


def _old_rows(model: nn.Module, layer: str, rows: Mapping[int, int]) -> logistic.Known | None:
    """Return the copied rows and biases; None where nothing was copied."""
    if not rows:
        return None
    head = model.get_submodule(layer)
    assert isinstance(head, nn.Linear)
    chosen = sorted(rows)
    weight = head.weight.detach().cpu()[chosen]
    bias = torch.zeros(len(chosen)) if head.bias is None else head.bias.detach().cpu()[chosen]
    return logistic.Known(chosen, weight, bias)


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
