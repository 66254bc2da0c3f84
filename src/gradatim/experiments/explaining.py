"""Explain a network by name, a trained run, or the user's own: the anatomy, and one sample opened.

A network of the zoo is built without memory for its weights; a run is explained with the weights
it learnt, and, where a sample is named, with what it does to that sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradatim import anatomy, models, package
from gradatim.anatomy import features, losses, pixel, recurrent, whatif
from gradatim.anatomy.named import explain_named
from gradatim.anatomy.page import page as anatomy_page
from gradatim.charts import through_time
from gradatim.core.page import (
    Arithmetic,
    Block,
    Cell,
    Fragment,
    Gallery,
    Heading,
    Page,
    Picture,
    Table,
    Text,
)
from gradatim.core.talk import Talk
from gradatim.data.dataset import Prepared
from gradatim.errors import UsageError, ValueRefusedError
from gradatim.experiments import evaluation
from gradatim.experiments import folder as folders

NEIGHBOURS = 5  # nearest training samples shown
MOST_COMPARED = 10_000  # training samples a sample is compared with
SHOWN_LAYERS = 6  # convolutions whose feature maps are shown, spread over the depth


@dataclass(frozen=True)
class Explained:
    """A network explained: ``facts`` are plain values for JSON, ``page`` shows them."""

    facts: dict[str, Any]
    page: Page


def explain(
    name: str, size: str | None, sample: str | None, options: Mapping[str, Any], talk: Talk
) -> Explained:
    """Explain what the name stands for.

    Args:
        name: a model of the zoo, ``library:model``, ``package.module:factory``, or a run folder.
        size: shape of one input, ``3x224x224``; by default the published one, or the run's.
        sample: for a run: an image file, or the number of a test sample.
        options: of the model.
        talk: where progress goes.

    Raises:
        UnknownNameError: no model of this name.
        UsageError: the model does not run on this input; a sample without a run.
    """
    if (Path(name) / folders.RECIPE).is_file() or (Path(name) / "package.json").is_file():
        return _explain_run(Path(name), size, sample, talk)
    if sample is not None:
        raise UsageError(
            "a sample is opened with the weights of a run",
            given=name,
            next_step=f"fit first, then: gradatim explain RUN --sample {sample}",
        )
    models.check_name(name)
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
    found = anatomy.explain(model.module, shape, name=model.name)
    facts = found.to_dict()
    page = _with_controls(anatomy_page(found), found)
    blocks = list(_learnt(model))
    if sample is not None:
        opened = _opened(place, model, sample, talk)
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


def _opened(place: Path, model: package.Model, sample: str, talk: Talk) -> _Opened:
    """Return the sample as the model sees it, with the training samples to compare with."""
    recipe = evaluation.recipe_of_model(place)
    prepared = evaluation.own_data(place, talk)
    if not sample.isdecimal():
        stored, rejected = model.preprocessing.read_files([Path(sample)])
        if rejected:
            raise UsageError(f"this sample cannot be read: {rejected[0][1]}", given=sample)
        folder = Path(sample).resolve().parent.name
        target = model.classes.index(folder) if folder in model.classes else None
        return _Opened(model, prepared, stored, target, sample, recipe.seed)
    test = prepared.split.test
    if int(sample) >= len(test):
        raise ValueRefusedError(
            "there is no test sample of this number", given=sample, allowed=f"0 to {len(test) - 1}"
        )
    index = int(test[int(sample)])
    known = int(prepared.targets[index]) if model.classes else None
    stored = np.asarray(prepared.inputs[index : index + 1])
    return _Opened(model, prepared, stored, known, prepared.names[index], recipe.seed)


@dataclass(frozen=True)
class _Opened:
    """One sample on its way through a trained model."""

    model: package.Model
    prepared: Prepared
    stored: np.ndarray
    target: int | None
    name: str
    seed: int

    @property
    def x(self) -> Tensor:
        """The sample as the model takes it, with a batch axis of 1."""
        return torch.from_numpy(self.model.preprocessing.normalise(self.stored))

    @property
    def scores(self) -> list[float]:
        """What the model answers."""
        with torch.inference_mode():
            answer: list[float] = self.model.module(self.x)[0].float().tolist()
        return answer

    def loss(self) -> losses.LossDerivation:
        """Return the derivation of the loss; without a known class, of the likeliest."""
        scores = self.scores
        target = self.target if self.target is not None else int(np.argmax(scores))
        return losses.cross_entropy(scores, target, self.model.classes)

    def facts(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        facts: dict[str, Any] = {"name": self.name, "scores": self.scores}
        if self.model.classes:
            facts["loss"] = self.loss().to_dict()
        return facts

    def blocks(self) -> list[Block]:
        """Return what the page shows of the sample."""
        blocks: list[Block] = [Heading(f"The sample {self.name}", "sample")]
        if self.model.classes:
            derived = self.loss()
            known = "its class" if self.target is not None else "the likeliest class"
            blocks += [
                Text(f"The loss is derived for {known}, {self.model.classes[derived.target]}."),
                Arithmetic(derived.lines, "From scores to the loss"),
            ]
        if self.model.spec.kind == "image" and features.convolutions(self.model.module):
            blocks += self._convolutional()
        if any(isinstance(item, nn.RNNBase) for item in self.model.module.modules()):
            blocks += self._recurrent()
        if self.model.spec.kind in ("image", "vector"):
            blocks.append(self._neighbours())
        return blocks

    def _convolutional(self) -> list[Block]:
        blocks: list[Block] = list(self._first_pixel())
        attention = features.grad_cam(self.model.module, self.x)
        seen = features.overlay(self.stored[0], attention.full)
        blocks.append(
            Gallery(
                [
                    _picture(self.stored[0], "the sample as it is stored"),
                    _picture(seen, f"where it looks for {self.model.classes[attention.target]}"),
                ]
                if self.model.classes
                else [_picture(self.stored[0], "the sample as it is stored")],
                f"Grad-CAM at {attention.layer}: red raises the score of the class",
            )
        )
        named = features.convolutions(self.model.module)
        chosen = sorted({int(i) for i in np.linspace(0, len(named) - 1, SHOWN_LAYERS)})
        blocks.append(Heading("Feature maps", "maps"))
        maps = features.feature_maps(self.model.module, self.x, [named[i] for i in chosen])
        blocks += [item.gallery() for item in maps]
        return blocks

    def _first_pixel(self) -> Iterator[Block]:
        """Open the middle output of the first convolution."""
        layers = dict(self.model.module.named_modules())
        name = features.convolutions(self.model.module)[0]
        layer = layers[name]
        assert isinstance(layer, nn.Conv2d)
        if layer.in_channels != self.x.shape[1]:
            return
        height, width = layer(self.x).shape[2:]
        opened = pixel.open_pixel(layer, self.x, height // 2, width // 2)
        yield Arithmetic(
            opened.lines(), f"One output of {name}: row {height // 2}, column {width // 2}"
        )

    def _recurrent(self) -> list[Block]:
        gates = recurrent.gates_in(self.model.module, self.x)
        slope = recurrent.gradient_by_step(self.model.module, self.x)
        norms = {"gradient": list(slope.norms)}
        return [
            Heading("Through time", "time"),
            through_time.chart(
                f"{gates.kind}, layer {gates.layer}", gates.means(), "mean over the units"
            ),
            through_time.chart("How much each step matters", norms, "norm of the gradient", True),
            Text(
                f"The gradient at the first step is {slope.ratio:.2g} times that at the last: the "
                "less it is, the less the net can learn from the beginning of a sequence."
            ),
        ]

    def _neighbours(self) -> Block:
        """Return the nearest training samples, by the distance of the model's inputs."""
        normalise = self.prepared.preprocessing.normalise
        train = self.prepared.split.train
        order = np.random.default_rng(self.seed).permutation(train)[:MOST_COMPARED]
        stored = torch.from_numpy(normalise(np.asarray(self.prepared.inputs[np.sort(order)])))
        near = features.nearest(self.x[0], stored, NEIGHBOURS)
        indices = [int(np.sort(order)[item.index]) for item in near]
        labels = [self._label(index) for index in indices]
        of = f"{len(order):,} training samples"
        if self.model.spec.kind == "image":
            pictures = [
                _picture(self.prepared.inputs[index], f"{label}, distance {item.distance:.2f}")
                for index, label, item in zip(indices, labels, near, strict=True)
            ]
            return Gallery(pictures, f"Nearest of {of}, pixel by pixel")
        rows: list[list[Cell]] = [
            [self.prepared.names[index], label, item.distance]
            for index, label, item in zip(indices, labels, near, strict=True)
        ]
        return Table(["sample", "label", "distance"], rows, f"Nearest of {of}")

    def _label(self, index: int) -> str:
        target = self.prepared.targets[index]
        return self.model.classes[int(target)] if self.model.classes else f"{float(target):.4g}"


def _picture(pixels: np.ndarray, words: str) -> Picture:
    shown = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    return Picture(
        features.png(np.ascontiguousarray(shown)), "image/png", words, words, pixelated=True
    )
