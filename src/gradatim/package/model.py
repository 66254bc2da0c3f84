"""A trained model, ready to be used on raw inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import DataError, GradatimError, UsageError
from gradatim.package.prediction import Prediction
from gradatim.training import memory

if TYPE_CHECKING:
    from gradatim.data.preprocessing import Preprocessing

BATCH = 256
"""Inputs that are read and scored together: the memory a prediction needs does not grow beyond."""

MANY = 32
"""From so many inputs on, memory is kept from one layer to the next: half of the time of photos."""

Read = tuple[str, "np.ndarray | str"]
"""Name of one input, and its stored form with a batch axis of 1, or why it could not be read."""


class Model:
    """A trained model: what it was built from, its module, and ``predict``.

    Attributes:
        module: a plain ``torch.nn.Module`` in eval mode; takes normalised inputs.
        name: its name among the models.
        spec: what enters and leaves it.
        preprocessing: turns a raw input into a model input, as in training.
        facts: everything ``package.json`` says.
    """

    def __init__(
        self,
        module: nn.Module,
        name: str,
        spec: Spec,
        preprocessing: Preprocessing,
        facts: Mapping[str, Any],
    ) -> None:
        self.module = module
        self.name = name
        self.spec = spec
        self.preprocessing = preprocessing
        self.facts = facts

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the outputs; empty for a regression."""
        return self.spec.classes

    def __repr__(self) -> str:
        out = f"{len(self.classes)} classes" if self.classes else self.spec.target or "a number"
        shape = " x ".join(str(size) for size in self.spec.shape)
        return f"<gradatim model {self.name}: {self.spec.kind} {shape} to {out}>"

    def predict(self, inputs: Any) -> Prediction | list[Prediction]:
        """Say what one input or many inputs are.

        Args:
            inputs: one input: the path of an image, a PIL image, an array of one sample, a
                mapping from column to value, a text (or the ``Path`` of a file with one). Many: a
                list of these, an array with one more axis, a polars frame; of series with one row
                a step.

        Returns:
            A prediction for one input, a list of predictions in order for many. An input of many
            that cannot be read has its reason in ``error``; the others are answered.

        Raises:
            DataError: the one input cannot be read.
            UsageError: the input is of a kind the model does not take.
        """
        single = self._is_single(inputs)
        answers = list(self.stream([inputs] if single else inputs))
        if not single:
            return answers
        if answers[0].error:
            raise DataError(answers[0].error, given=answers[0].name or None)
        return answers[0]

    def continue_text(
        self, start: str, count: int = 200, *, temperature: float = 1.0, seed: int = 0
    ) -> str:
        """Return how a text goes on, character after character.

        Args:
            start: the text to be continued, at least one character; unknown ones count as such.
            count: characters to add.
            temperature: below 1 the likely characters become likelier, at 0 the likeliest is
                always taken.
            seed: of the draws; the same seed gives the same text.

        Raises:
            UsageError: the model does not continue texts, or there is no start.
        """
        vocabulary = self.preprocessing.vocabulary
        sample: Any = getattr(self.module, "sample", None)
        if self.spec.task != "next-token" or vocabulary is None or sample is None:
            raise UsageError("this model does not continue texts", given=self.name)
        if count < 1 or not start:
            raise UsageError(
                "a text to begin with, and at least one character to add, are needed",
                given=f"{start!r}, {count}",
            )
        tokens = vocabulary.encode(start).tolist()
        added: list[int] = sample(tokens, count, temperature=temperature, seed=seed)
        return vocabulary.decode(added)

    def stream(self, inputs: Any) -> Iterator[Prediction]:
        """Yield the predictions of many inputs in order, a batch at a time."""
        waiting: list[Read] = []
        for item in self._read(inputs):
            waiting.append(item)
            if len(waiting) == BATCH:
                yield from self._answer(waiting)
                waiting = []
        yield from self._answer(waiting)

    def predict_scores(self, stored: np.ndarray) -> np.ndarray:
        """Return what the model answers for inputs in their stored form.

        Args:
            stored: images ``N x H x W x C`` uint8, vectors ``N x D`` or series ``N x T x F``
                float32 as they are before they are normalised, or tokens ``N x T``.

        Returns:
            float32: probabilities ``N x classes``; for a regression ``N x 1`` standardised values
            (``preprocessing.in_unit`` brings them into the target's unit).

        Raises:
            UsageError: the model continues texts, and does not judge them.
        """
        if self.spec.task == "next-token":
            raise UsageError(
                "this model has no answer to a whole text: it continues it",
                next_step="use predict or continue_text",
            )
        place = next(
            (tensor.device for tensor in self.module.state_dict().values()), torch.device("cpu")
        )
        parts = [np.empty((0, self.spec.outputs), np.float32)]
        self.module.eval()
        keep = memory.kept() if len(stored) >= MANY else nullcontext()
        with keep, torch.inference_mode():
            for start in range(0, len(stored), BATCH):
                batch = self.preprocessing.normalise(stored[start : start + BATCH])
                scores = self.module(torch.from_numpy(batch).to(place)).float()
                if self.classes:
                    scores = scores.softmax(dim=1)
                parts.append(scores.cpu().numpy())
        return np.concatenate(parts)

    def _answer(self, items: Sequence[Read]) -> list[Prediction]:
        """Return the predictions of inputs read, and the errors of those that were not."""
        if self.spec.task == "next-token":
            return [self._continued(name, content) for name, content in items]
        readable = [content for _, content in items if isinstance(content, np.ndarray)]
        rows = iter(self.predict_scores(np.concatenate(readable)) if readable else [])
        return [
            Prediction(name=name, error=content)
            if isinstance(content, str)
            else self._prediction(name, next(rows))
            for name, content in items
        ]

    def _continued(self, name: str, content: np.ndarray | str) -> Prediction:
        if isinstance(content, str):
            return Prediction(name=name, error=content)
        vocabulary = self.preprocessing.vocabulary
        assert vocabulary is not None
        start = vocabulary.decode(content[0])
        if not start:
            return Prediction(name=name, error="an empty text cannot be continued")
        return Prediction(name=name, prompt=start, text=self.continue_text(start))

    def _prediction(self, name: str, scores: np.ndarray) -> Prediction:
        if not self.classes:
            value = float(self.preprocessing.in_unit(scores.astype(np.float64))[0])
            return Prediction(name=name, value=value, unit=self.spec.unit)
        order = np.argsort(-scores, kind="stable")
        probabilities = {self.classes[index]: float(scores[index]) for index in order}
        label = self.classes[order[0]]
        return Prediction(
            name=name, label=label, probability=probabilities[label], probabilities=probabilities
        )

    def _is_single(self, inputs: Any) -> bool:
        """Return whether the input is one sample."""
        if isinstance(inputs, np.ndarray):
            if self.spec.kind == "image":
                return inputs.ndim == 2 or (inputs.ndim == 3 and inputs.shape[-1] in (1, 3))
            return inputs.ndim == 1 or (self.spec.kind == "sequence" and inputs.ndim == 2)
        if isinstance(inputs, list | tuple):
            return bool(inputs) and all(isinstance(item, Number) for item in inputs)
        return not isinstance(inputs, pl.DataFrame)

    def _read(self, inputs: Any) -> Iterator[Read]:
        """Yield every input of many in its stored form, or why it cannot be read."""
        if isinstance(inputs, pl.DataFrame) and self.spec.kind == "sequence":
            names, series = self.preprocessing.read_series(inputs)
            yield from (
                (f"series {name}", row[None]) for name, row in zip(names, series, strict=True)
            )
            return
        if isinstance(inputs, pl.DataFrame):
            frames = (inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH))
            for frame in frames:
                yield from _each(self.preprocessing.read_frame, frame)
        elif isinstance(inputs, np.ndarray):
            arrays = (inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH))
            for array in arrays:
                yield from _each(self.preprocessing.read_array, array)
        elif self.spec.kind == "image" and _are_paths(inputs):
            yield from self._read_files([os.fspath(item) for item in inputs])
        else:
            for item in inputs:
                yield self._read_one(item)

    def _read_files(self, paths: Sequence[str]) -> Iterator[Read]:
        """Yield many image files, read ahead by several threads or processes."""
        from gradatim.data.store import read_each

        with memory.kept(), closing(read_each(paths, self.preprocessing.policy)) as contents:
            for path, content in zip(paths, contents, strict=True):
                yield path, content if isinstance(content, str) else content[None]

    def _read_one(self, item: Any) -> Read:
        """Return one input in its stored form, or why it cannot be read."""
        if self.spec.kind == "text" and isinstance(item, str | Path):
            return self._read_text(item)
        if isinstance(item, str | Path | Image.Image):
            name = "" if isinstance(item, Image.Image) else str(item)
            stored, rejected = self.preprocessing.read_files([item])
            return name, rejected[0][1] if rejected else stored
        try:
            if isinstance(item, Mapping):
                return "", self.preprocessing.read_frame(pl.DataFrame([dict(item)]))
            if isinstance(item, np.ndarray | list | tuple):
                stored = self.preprocessing.read_array(np.asarray(item))
                several = f"one item of the list holds {len(stored)} samples"
                return "", stored if len(stored) == 1 else several
        except GradatimError as error:
            return "", error.message()
        raise UsageError(
            "the model cannot read this kind of input",
            given=type(item).__name__,
            allowed="the path of an image, a PIL image, an array, a mapping from column to value, "
            "a polars frame, or a list of these",
        )

    def _read_text(self, item: str | Path) -> Read:
        """Return a text, or the text of a file, as its tokens."""
        from gradatim.data.sources.text_file import read_text

        text, name = item, ""
        if isinstance(item, Path):
            name = str(item)
            try:
                text = read_text(item)[0]
            except DataError as error:
                return name, error.message()
        length = None if self.spec.task == "next-token" else self.preprocessing.length
        return name, self.preprocessing.read_texts([str(text)], length)


def _are_paths(inputs: Any) -> bool:
    """Return whether these are paths, and so many that threads pay."""
    if not isinstance(inputs, list | tuple) or len(inputs) < MANY:
        return False
    return all(isinstance(item, str | Path) for item in inputs)


def _each(read: Callable[[Any], np.ndarray], many: Any) -> Iterator[Read]:
    """Read a frame or an array whole; where that fails, row by row, to lose only what is bad.

    Raises:
        GradatimError: no row at all can be read.
    """
    try:
        whole = read(many)
    except GradatimError as error:
        rows: list[Read] = []
        for index in range(len(many)):
            try:
                rows.append(("", read(many[index : index + 1])))
            except GradatimError as reason:
                rows.append(("", reason.message()))
        if all(isinstance(content, str) for _, content in rows):
            raise error
        yield from rows
    else:
        for index in range(len(whole)):
            yield "", whole[index : index + 1]
