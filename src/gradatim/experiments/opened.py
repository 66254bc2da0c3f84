"""One sample on its way through a model with weights: loss, feature maps, gates, neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradatim import package
from gradatim.anatomy import features, losses, pixel, recurrent
from gradatim.charts import through_time
from gradatim.core.page import Arithmetic, Block, Cell, Gallery, Heading, Picture, Table, Text
from gradatim.data.dataset import Prepared

NEIGHBOURS = 5  # nearest training samples shown
MOST_COMPARED = 10_000  # training samples a sample is compared with
SHOWN_LAYERS = 6  # convolutions whose feature maps are shown, spread over the depth


@dataclass(frozen=True)
class Opened:
    """One sample on its way through a model.

    Attributes:
        model: with its weights.
        stored: the sample in its stored form, with a batch axis of 1.
        target: index of its class, or its value in a regression; None where it is not known.
        name: of the sample.
        loss: name in ``LOSSES`` of what the model was trained with.
        prepared: the data of the run, to compare with; None without a run.
        seed: of the draw of training samples that are compared.
    """

    model: package.Model
    stored: np.ndarray
    target: float | None
    name: str
    loss: str = "cross-entropy"
    prepared: Prepared | None = None
    seed: int = 0

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

    def derivation(self) -> losses.LossDerivation | None:
        """Return the derivation of the loss; without a known class, of the likeliest."""
        scores = self.scores
        if self.model.classes:
            target = int(np.argmax(scores)) if self.target is None else int(self.target)
            if self.loss == "hinge":
                return losses.hinge(scores, target, names=self.model.classes)
            return losses.cross_entropy(scores, target, self.model.classes)
        if self.target is None or len(scores) != 1:
            return None
        standardised = self.model.preprocessing.standardise(np.array([self.target]))
        return losses.squared_error(scores[0], float(standardised[0]))

    def facts(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        facts: dict[str, Any] = {"name": self.name, "scores": self.scores}
        derived = self.derivation()
        if derived is not None:
            facts["loss"] = derived.to_dict()
        return facts

    def blocks(self) -> list[Block]:
        """Return what the page shows of the sample."""
        blocks: list[Block] = [Heading(f"The sample {self.name}", "sample")]
        derived = self.derivation()
        if derived is not None:
            blocks += [Text(self._of_what(derived)), Arithmetic(derived.lines, "The loss")]
        if self.model.spec.kind == "image" and features.convolutions(self.model.module):
            blocks += self._convolutional()
        if any(isinstance(item, nn.RNNBase) for item in self.model.module.modules()):
            blocks += self._recurrent()
        if self.prepared is not None and self.model.spec.kind in ("image", "vector"):
            blocks.append(self._neighbours(self.prepared))
        return blocks

    def _of_what(self, derived: losses.LossDerivation) -> str:
        if not self.model.classes:
            return "The squared error, of the standardised target that the model learns."
        known = "its class" if self.target is not None else "the likeliest class"
        return f"The loss, {derived.loss}, for {known}, {self.model.classes[derived.target]}."

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

    def _neighbours(self, prepared: Prepared) -> Block:
        """Return the nearest training samples, by the distance of the model's inputs."""
        normalise = prepared.preprocessing.normalise
        train = prepared.split.train
        order = np.random.default_rng(self.seed).permutation(train)[:MOST_COMPARED]
        stored = torch.from_numpy(normalise(np.asarray(prepared.inputs[np.sort(order)])))
        near = features.nearest(self.x[0], stored, NEIGHBOURS)
        indices = [int(np.sort(order)[item.index]) for item in near]
        labels = [self._label(prepared, index) for index in indices]
        of = f"{len(order):,} training samples"
        if self.model.spec.kind == "image":
            pictures = [
                _picture(prepared.inputs[index], f"{label}, distance {item.distance:.2f}")
                for index, label, item in zip(indices, labels, near, strict=True)
            ]
            return Gallery(pictures, f"Nearest of {of}, pixel by pixel")
        rows: list[list[Cell]] = [
            [prepared.names[index], label, item.distance]
            for index, label, item in zip(indices, labels, near, strict=True)
        ]
        return Table(["sample", "label", "distance"], rows, f"Nearest of {of}")

    def _label(self, prepared: Prepared, index: int) -> str:
        target = prepared.targets[index]
        return self.model.classes[int(target)] if self.model.classes else f"{float(target):.4g}"


def _picture(pixels: np.ndarray, words: str) -> Picture:
    shown = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    return Picture(
        features.png(np.ascontiguousarray(shown)), "image/png", words, words, pixelated=True
    )
