"""From what a source holds to what a model takes: the same code in training, predict and serve.

Two steps. *Reading* brings a file, an array or a table into the stored form (images
``N x H x W x C`` uint8, vectors ``N x D`` float32, series ``N x T x F`` float32 filled up with NaN,
texts ``N x T`` int32 tokens filled up with 0); *normalising* brings the stored form into model
inputs (float32, zero mean and unit deviation by the statistics of the training part; tokens stay
tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradatim.core.talk import SILENCE, Talk
from gradatim.data.padded import fill_up, lengths_of
from gradatim.errors import ColumnError, ValueRefusedError

if TYPE_CHECKING:
    import polars as pl

    from gradatim.data.columns import Column
    from gradatim.data.decode import Content, Policy
    from gradatim.data.layout import Layout
    from gradatim.data.vocabulary import Vocabulary


@dataclass(frozen=True)
class Preprocessing:
    """How a raw input becomes a model input. Frozen, and JSON both ways.

    Attributes:
        kind: ``image``, ``vector``, ``table``, ``sequence`` or ``text``.
        mean, std: one a channel (of pixels scaled to 0 .. 1) or one a feature, from the training
            part only. A feature that is only 0 or 1 keeps mean 0 and deviation 1.
        target_mean, target_std: regression learns ``(y - target_mean) / target_std``.
        size, channels, shape: of a stored image; ``shape`` is the policy for non-square ones.
        interpolation: filter by which images are resized.
        pixel_range: the values of float arrays that become 0 and 255.
        features: names of a vector's features.
        columns: how each column of a table becomes features.
        length: steps of a series or tokens of a text, at most; longer ones are cut.
        layout: the columns of a table with one row a step.
        vocabulary: the tokens of a text.
        text_column: column of the texts in a table.
    """

    kind: Literal["image", "vector", "table", "sequence", "text"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    target_mean: float = 0.0
    target_std: float = 1.0
    size: int = 0
    channels: int = 0
    shape: Literal["crop", "letterbox"] = "crop"
    pixel_range: tuple[float, float] = (0.0, 255.0)
    features: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    length: int = 0
    layout: Layout | None = None
    vocabulary: Vocabulary | None = None
    text_column: str = ""
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        values["columns"] = [column.to_dict() for column in self.columns]
        if self.layout is not None:
            values["layout"] = self.layout.to_dict()
        if self.vocabulary is not None:
            values["vocabulary"] = self.vocabulary.to_dict()
        unused: dict[str, Any] = {"length": 0, "layout": None, "vocabulary": None}
        unused |= {"text_column": "", "interpolation": "bicubic"}
        return {k: v for k, v in values.items() if k not in unused or v != unused[k]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Read what ``to_dict`` wrote."""
        read: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        if read.get("columns"):
            from gradatim.data.columns import Column

            read["columns"] = tuple(Column.from_dict(column) for column in read["columns"])
        if read.get("layout"):
            from gradatim.data.layout import Layout

            read["layout"] = Layout.from_dict(read["layout"])
        if read.get("vocabulary"):
            from gradatim.data.vocabulary import Vocabulary

            read["vocabulary"] = Vocabulary.from_dict(read["vocabulary"])
        return cls(**read)

    @property
    def policy(self) -> Policy:
        """What every picture is fitted to."""
        from gradatim.data.decode import Policy

        return Policy(self.size, self.shape, self.channels, self.interpolation)

    def normalise(self, inputs: np.ndarray) -> np.ndarray:
        """Return model inputs of stored inputs.

        Args:
            inputs: images ``N x H x W x C`` uint8, vectors ``N x D`` float32, series
                ``N x T x F`` float32, or tokens ``N x T``.

        Returns:
            float32, ``N x C x H x W`` (``(x / 255 - mean) / std``), ``N x D`` or ``N x T x F``: a
            missing value becomes 0, the mean, and steps beyond the end stay NaN. Tokens: int64.
        """
        if self.kind == "text":
            return np.asarray(inputs, np.int64)
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        if self.kind == "image":
            values = np.array(inputs, np.float32)
            values /= np.float32(255.0)
            values -= mean
            values /= std
            return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        vectors: np.ndarray = (np.asarray(inputs, np.float32) - mean) / std
        if self.kind == "sequence":
            within = np.arange(vectors.shape[1]) < lengths_of(vectors)[:, None]
            vectors[within[..., None] & np.isnan(vectors)] = 0.0
        return vectors

    def standardise(self, targets: np.ndarray) -> np.ndarray:
        """Return what a regression learns, float32: ``(y - target_mean) / target_std``."""
        values: np.ndarray = (targets - self.target_mean) / self.target_std
        return values.astype(np.float32)

    def in_unit(self, scores: np.ndarray) -> np.ndarray:
        """Return values in the target's own unit of standardised ones."""
        values: np.ndarray = scores * self.target_std + self.target_mean
        return values

    def read_files(
        self, contents: Sequence[Content]
    ) -> tuple[np.ndarray, list[tuple[Content, str]]]:
        """Read image files (their bytes or opened pictures, likewise).

        Returns:
            the images that could be read, ``N x size x size x C`` uint8 in the order given, and
            (what was given, reason) of those that could not.
        """
        from gradatim.data.decode import Rejected, read

        if self.kind != "image":
            raise ValueRefusedError(
                f"this model takes {_TAKES[self.kind]}, not image files",
                next_step="give a table (.csv, .tsv, .parquet) with the columns it learnt from",
            )
        images: list[np.ndarray] = []
        rejected: list[tuple[Content, str]] = []
        for content in contents:
            try:
                images.append(read(content, self.policy)[0])
            except Rejected as rejection:
                rejected.append((content, rejection.reason))
        shape = (self.size, self.size, self.channels)
        return (np.stack(images) if images else np.empty((0, *shape), np.uint8)), rejected

    def read_frame(self, frame: pl.DataFrame, talk: Talk = SILENCE) -> np.ndarray:
        """Read a table with the columns the model learnt from, in any order: ``N x D`` float32.

        Missing values are filled; categories never seen in training are said through ``talk``.

        Raises:
            ColumnError: a column is absent, or holds no numbers where numbers are needed.
        """
        from gradatim.data.cells import numbers
        from gradatim.data.columns import encode

        if self.kind == "table":
            return encode(self.columns, frame, talk)
        if self.kind == "text":
            return self.read_texts(self._texts_of(frame))
        if self.kind == "sequence":
            return self.read_series(frame)[1]
        if self.kind == "image":
            raise ValueRefusedError(
                "this model takes images, not a table", next_step="give image files or arrays"
            )
        names = list(self.features)
        if not names and frame.width == len(self.mean):
            names = frame.columns
        absent = [name for name in names if name not in frame.columns]
        if absent or not names:
            raise ColumnError(
                f"the table lacks columns the model needs; it takes {len(self.mean)} values a row",
                given=", ".join(absent) or None,
                allowed=frame.columns,
                next_step=f"it needs: {', '.join(names)}" if names else None,
            )
        columns = [numbers(frame[name], _decimal(frame[name])) for name in names]
        for column in columns:
            if column.null_count():
                raise ColumnError(
                    f"{column.null_count():,} values of this column are missing or not numbers",
                    given=column.name,
                    next_step="this model learnt from complete rows: give a number in each",
                )
        return np.stack([column.to_numpy() for column in columns], axis=1).astype(np.float32)

    def read_array(self, array: Any) -> np.ndarray:
        """Read one sample or many from an array.

        Args:
            array: images ``[N x] H x W [x C]``: uint8 pixels, or floats in the range of the
                source (``pixel_range``; where that is 0 .. 255, floats up to 1 mean 0 .. 1).
                Vectors ``[N x] D``. Series ``[N x] T x F``, where NaN is a missing value.

        Returns:
            stored inputs, ``N x size x size x C`` uint8, ``N x D`` or ``N x T x F`` float32.

        Raises:
            ValueRefusedError: the array does not have such a shape, or holds NaN or infinity.
        """
        values = np.asarray(array)
        if values.dtype.kind not in "buif":
            raise ValueRefusedError(
                "an array of numbers is needed", given=f"an array of {values.dtype}"
            )
        if self.kind == "sequence":
            return self._read_steps(values)
        if not np.isfinite(values).all():
            raise ValueRefusedError(
                "the array holds NaN or infinity", next_step="replace them before predicting"
            )
        if self.kind == "image":
            return self._read_images(values)
        if self.kind in ("table", "text"):
            raise ValueRefusedError(
                f"this model takes {_TAKES[self.kind]}, not an array",
                next_step="give a table, or a mapping with the columns it learnt from"
                if self.kind == "table"
                else "give a text",
            )
        vectors = values[None] if values.ndim == 1 else values
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise ValueRefusedError(
                "the array does not fit the model",
                given=f"shape {values.shape}",
                allowed=f"shape ({len(self.mean)},) or (N, {len(self.mean)})",
            )
        return vectors.astype(np.float32)

    def read_texts(self, texts: Sequence[str], length: int | None = 0) -> np.ndarray:
        """Return texts as tokens, ``N x length`` int32, cut or filled up at their end.

        Args:
            texts: to be read.
            length: that of training when 0; None: that of the longest, nothing is cut.
        """
        if self.vocabulary is None:
            raise ValueRefusedError(f"this model takes {_TAKES[self.kind]}, not texts")
        if length is None:
            length = max(len(self.vocabulary.encode(text)) for text in texts)
        return self.vocabulary.encode_all(texts, length or self.length)

    def read_series(self, frame: pl.DataFrame) -> tuple[list[str], np.ndarray]:
        """Return the series of a table with one row a step: their names, and ``N x T x F`` float32.

        Raises:
            ColumnError: a column is absent.
            ValueRefusedError: the model did not learn from such a table.
        """
        if self.layout is None:
            raise ValueRefusedError(
                "this model learnt from arrays of series, not from a table",
                next_step="give an array of steps x features, or N of them",
            )
        names, _, sequences = self.layout.read(frame)
        return names, fill_up(sequences, self.length)

    def _texts_of(self, frame: pl.DataFrame) -> list[str]:
        import polars as pl

        name = self.text_column or "text"
        if name not in frame.columns:
            raise ColumnError(
                "the table lacks the column of texts", given=name, allowed=frame.columns
            )
        texts: list[str] = frame[name].cast(pl.String).fill_null("").to_list()
        return texts

    def _read_steps(self, values: np.ndarray) -> np.ndarray:
        """Read one series or many: ``[N x] T x F``, of one feature also ``T``."""
        width = len(self.mean)
        if values.ndim == 1 and width == 1:
            values = values[:, None]
        series = values[None] if values.ndim == 2 else values
        if series.ndim != 3 or series.shape[2] != width or 0 in series.shape:
            raise ValueRefusedError(
                "the array does not fit the model",
                given=f"shape {values.shape}",
                allowed=f"shape (steps, {width}) or (N, steps, {width})",
            )
        if np.isinf(series).any() or np.isnan(series).all(axis=(1, 2)).any():
            raise ValueRefusedError(
                "the array holds infinity, or a series without a value",
                next_step="replace them before predicting",
            )
        return fill_up(list(series.astype(np.float32)), self.length)

    def _read_images(self, values: np.ndarray) -> np.ndarray:
        from gradatim.data.decode import fit_to, to_channels

        coloured = values.ndim >= 3 and values.shape[-1] in (1, 3)
        images = values if coloured else values[..., None]
        images = images[None] if images.ndim == 3 else images
        if images.ndim != 4 or 0 in images.shape:
            raise ValueRefusedError(
                "the array does not fit the model",
                given=f"shape {values.shape}",
                allowed="images as (H, W), (H, W, 1), (H, W, 3), or N of one of these",
            )
        pixels = to_pixels(images, self.pixel_range)
        return np.stack(
            [
                fit_to(to_channels(image, self.channels), self.size, self.shape, self.interpolation)
                for image in pixels
            ]
        )


_TAKES = {
    "image": "images",
    "vector": "rows of a table or vectors",
    "table": "rows of a table with named columns",
    "sequence": "series of steps",
    "text": "texts",
}


def _decimal(series: pl.Series) -> str:
    """Return the decimal sign of numbers written as text."""
    import polars as pl

    from gradatim.data.cells import decimal_sign, text_of

    return decimal_sign(text_of(series))[0] if series.dtype == pl.String else "."


def to_pixels(images: np.ndarray, pixel_range: tuple[float, float]) -> np.ndarray:
    """Return images as uint8: uint8 as they are, other numbers scaled from ``pixel_range``.

    Where the range is 0 .. 255, floats that do not exceed 1 are taken to be 0 .. 1.
    """
    if images.dtype == np.uint8:
        return images
    low, high = pixel_range
    if images.dtype == bool or (
        images.dtype.kind == "f" and (low, high) == (0.0, 255.0) and images.max(initial=0) <= 1.0
    ):
        low, high = 0.0, 1.0
    if images.min(initial=low) < low or images.max(initial=high) > high:
        raise ValueRefusedError(
            "pixels are outside the range the model learnt from",
            given=f"{images.min()} .. {images.max()}",
            allowed=f"{low:g} .. {high:g}, or uint8 from 0 to 255",
        )
    scaled = (images.astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
    pixels: np.ndarray = np.rint(scaled).astype(np.uint8)
    return pixels
