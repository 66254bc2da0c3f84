"""Recipe: every choice of a run, nested by the room that owns it, read from and written to TOML.

``None`` (a key left out of the file) means: chosen automatically. A resolved recipe has no
automatic choice left for what its run uses, and ``reasons`` says why each was chosen.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import tomlkit

from gradatim.core.files import write_text
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError

VERSION = 1


@dataclass(frozen=True)
class DataRecipe:
    """What is learnt from, and how it is brought into shape.

    Attributes:
        source: a name (``digits``), a folder, or a file.
        target: column that is predicted, for a table.
        text: column of texts to learn from, for a table; found where it is the only column that
            says something.
        series: column that says to which series a row belongs, for a table with one row a step.
        time: column by which the steps of a series are put in order.
        task: ``classification``, ``regression`` or, for one long text, ``next-token``; found from
            the target when None.
        tokens: what a text is cut into: ``characters`` or ``words``.
        vocabulary: at most so many different tokens; the rarer ones count as unknown.
        length: steps of one sample, at most: longer texts and series are cut. A model of the next
            character is trained through so many steps at once (truncated back-propagation through
            time). Of ``adding``: the least length T.
        folder: where local copies of named sets are looked for first (``--data-dir``).
        size: side of the square image in pixels.
        shape: how a non-square image becomes square: ``crop`` the middle, or ``letterbox``.
        channels: 1 (grey) or 3 (colour).
        interpolation: filter by which images are resized: ``bicubic`` or ``bilinear``, both
            antialiased; the one that belongs to the weights of ``start.weights``, else bicubic.
        validation_share, test_share: shares that are held out where the source has no such part.
        limit: at most this many training samples, drawn with the seed.
        samples_per_class: at most this many training samples of each class, drawn with the seed;
            those of a smaller number are among those of a larger one.
        batch_size: samples per step.
        order: of the samples of an epoch: ``shuffled``, or in ``blocks`` where a store of pictures
            is larger than memory; chosen from the sizes.
        flip: probability of a left-right flip.
        crop: ``padded`` (shift by up to ``crop_padding`` pixels), ``resized`` (random area and
            aspect, then resized) or ``none``.
        crop_padding: pixels of padding for the padded crop.
        crop_from: side in pixels of the stored pictures that resized crops are taken from, so that
            small crops need not be enlarged; equal to ``size``: the pictures as everything else
            sees them. Chosen from the sizes of the files.
        rotation: largest angle in degrees by which a sample is turned, either way.
        jitter: largest relative change of brightness, contrast and saturation.
        hue: largest turn of the hue, either way, as a share of the colour wheel.
        erasing: probability that a random rectangle is erased.
        mixup: parameter alpha of the Beta distribution of mix-up; 0 is off.
        cutmix: parameter alpha of the Beta distribution of cut-mix; 0 is off.
        mean, std: one a channel, of pixels scaled to 0 .. 1, that images are standardised with;
            those of the training part, or those that belong to the weights of ``start.weights``.
    """

    source: str = ""
    target: str | None = None
    text: str | None = None
    series: str | None = None
    time: str | None = None
    task: Literal["classification", "regression", "next-token"] | None = None
    tokens: Literal["characters", "words"] | None = None
    vocabulary: int | None = None
    length: int | None = None
    folder: str | None = None
    size: int | None = None
    shape: Literal["crop", "letterbox"] | None = None
    channels: int | None = None
    interpolation: Literal["bicubic", "bilinear"] | None = None
    validation_share: float = 0.1
    test_share: float = 0.15
    limit: int | None = None
    samples_per_class: int | None = None
    batch_size: int | None = None
    order: Literal["shuffled", "blocks"] | None = None
    flip: float | None = None
    crop: Literal["padded", "resized", "none"] | None = None
    crop_padding: int | None = None
    crop_from: int | None = None
    rotation: float | None = None
    jitter: float | None = None
    hue: float | None = None
    erasing: float | None = None
    mixup: float | None = None
    cutmix: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ModelRecipe:
    """Which model, with the options of its own (checked by the model, not here)."""

    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StartRecipe:
    """What a network starts from, and how it goes on from there (``--from``).

    Attributes:
        weights: a run or package folder; a ``.safetensors`` or ``.pth`` file; or
            ``torchvision:NAME``, ``timm:NAME`` or ``package.module:factory``, which bring theirs.
        digest: fingerprint of the weights as they were read; a run does not go on with others.
        method: ``features`` (the body stays, a linear layer is fitted on its features),
            ``fine-tuning`` (all of it is trained) or ``scratch`` (the weights are not used, for
            comparison); a ladder of the first two when None.
        scratch: whether the ladder trains the same network from scratch, too.
        layer: name of the output layer, the one that is made anew.
        head: what the output layer starts from when fine-tuning: ``features`` (the layer fitted
            on the features, pulled towards the rows of classes with the same name), ``rows``
            (these rows, brought to the length of the others, which are fresh) or ``fresh``.
        rows: ``names`` copies the old rows of classes with the same name, ``none`` copies none.
        classes: names of the old classes: ``imagenet``, or a file with one a line.
        synonyms: a file with names of the same class in each line, parted by commas.
        head_share: share of the steps in which only the output layer is trained.
        frozen: what stays as it is: a share of the blocks from the input on, such as ``0.5``, or
            the name of the last block that stays.
        lower_rate: learning rate of the first block as a share of that of the output layer; the
            blocks between follow in equal ratios.
        normalisation: ``kept`` leaves the statistics of the body's batch normalisation as they came
            with the weights (their scales and shifts are trained); ``adapted`` trains with those
            of each batch.
        pull: strength of the decay towards the starting point (L2-SP), in place of that to zero.
        views: images that features are taken of: 1, or 2 with the mirror image.
        samples: at most so many training samples have their features taken; all where there is
            time.
    """

    weights: str | None = None
    digest: str | None = None
    method: Literal["features", "fine-tuning", "scratch"] | None = None
    scratch: bool | None = None
    layer: str | None = None
    head: Literal["features", "rows", "fresh"] | None = None
    rows: Literal["names", "none"] | None = None
    classes: str | None = None
    synonyms: str | None = None
    head_share: float | None = None
    frozen: str | None = None
    lower_rate: float | None = None
    normalisation: Literal["kept", "adapted"] | None = None
    pull: float | None = None
    views: int | None = None
    samples: int | None = None


@dataclass(frozen=True)
class TrainingRecipe:
    """How the model is trained.

    Attributes:
        loss: name in ``LOSSES``.
        label_smoothing: share of the target spread over all classes.
        class_weights: ``none`` or ``balanced`` (inverse of the class's share).
        optimiser: name in ``OPTIMISERS``.
        learning_rate: the largest rate of the schedule.
        momentum, beta1, beta2, epsilon: of the optimisers that have them.
        weight_decay: applied to weights, not to biases and norms.
        l1: strength of the sum of absolute weights added to the loss.
        clip: largest norm of all gradients together; 0 is off.
        schedule: name in ``SCHEDULES``.
        warmup: share of the steps over which the rate rises from 0.
        step_every, step_factor: the ``step`` schedule multiplies by the factor after each such
            share of the steps.
        epochs: passes over the training samples; with a budget, at most so many.
        budget: seconds the whole command may take, the audit included.
        plan: frozen by the run: points ``[step, progress]``; the schedule follows the line
            through them and ends at progress 1.
        early_stopping: epochs without a better validation metric before stopping; 0 is off.
        averaging: ``none`` or ``ema`` (exponential average of the weights, used for evaluation).
        averaging_decay: of the exponential average, per step.
        checkpoint_seconds: seconds between checkpoints; the bits do not depend on it.
    """

    loss: str | None = None
    label_smoothing: float | None = None
    class_weights: Literal["none", "balanced"] | None = None
    optimiser: str | None = None
    learning_rate: float | None = None
    momentum: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    epsilon: float | None = None
    weight_decay: float | None = None
    l1: float | None = None
    clip: float | None = None
    schedule: str | None = None
    warmup: float | None = None
    step_every: float | None = None
    step_factor: float | None = None
    epochs: int | None = None
    budget: float | None = None
    plan: tuple[tuple[int, float], ...] | None = None
    early_stopping: int | None = None
    averaging: Literal["none", "ema"] | None = None
    averaging_decay: float | None = None
    checkpoint_seconds: float = 20.0


@dataclass(frozen=True)
class MachineRecipe:
    """Choices about the machine that change bits, so they are kept.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; chosen when None.
        precision: ``fp32`` or ``bf16`` (autocast).
        layout: ``contiguous`` or ``channels-last``.
        threads: threads of one operation on the processor.
        update: how the optimiser's arithmetic is carried out: ``fused`` (one kernel), ``foreach``
            (one kernel an operation) or ``loop`` (one a parameter).
        compile: whether the model is compiled by ``torch.compile``; never by itself.
    """

    device: str | None = None
    precision: Literal["fp32", "bf16"] | None = None
    layout: Literal["contiguous", "channels-last"] | None = None
    threads: int | None = None
    update: Literal["fused", "foreach", "loop"] | None = None
    compile: bool | None = None


@dataclass(frozen=True)
class Recipe:
    """Every choice of a run. Frozen: ``with_values`` returns a changed copy.

    ``rungs`` is empty until a ladder has been climbed: then it holds, for each rung, the dotted
    keys in which its recipe differs from this one, so that a repeated run climbs the same rungs.
    """

    seed: int = 0
    data: DataRecipe = field(default_factory=DataRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    start: StartRecipe = field(default_factory=StartRecipe)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    machine: MachineRecipe = field(default_factory=MachineRecipe)
    rungs: tuple[Mapping[str, Any], ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)

    def with_values(self, values: Mapping[str, Any], reason: str | None = None) -> Recipe:
        """Return a copy with the dotted keys changed, e.g. ``{"training.learning_rate": 0.05}``.

        Texts are read as the key's type (``"0.05"`` becomes a number). With a ``reason``, it is
        kept for every key.

        Raises:
            UnknownNameError: no such key; the closest one is named.
            ValueRefusedError: the value is not of the key's type.
        """
        recipe = self
        for key, value in values.items():
            recipe = _with_value(recipe, key, value)
        if reason is not None:
            reasons = {**recipe.reasons, **dict.fromkeys(values, reason)}
            recipe = replace(recipe, reasons=reasons)
        return recipe

    def filled(self, values: Mapping[str, Any], reason: str) -> Recipe:
        """Return a copy in which the keys that are still None take the values, with the reason."""
        missing = {key: value for key, value in values.items() if self.get(key) is None}
        return self.with_values(missing, reason)

    def get(self, key: str) -> Any:
        """Return the value of a dotted key; a model option that is not set is None."""
        section, _, name = key.rpartition(".")
        owner = getattr(self, section) if section else self
        if isinstance(owner, ModelRecipe) and name != "name":
            return owner.options.get(name)
        return getattr(owner, name)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain values without the keys that are None."""
        return {
            "version": VERSION,
            "seed": self.seed,
            "data": _plain(self.data),
            "model": _plain(ModelRecipe(self.model.name)) | dict(self.model.options),
            **({"start": start} if (start := _plain(self.start)) else {}),
            "training": _plain(self.training),
            "machine": _plain(self.machine),
            "rungs": [dict(rung) for rung in self.rungs],
            "reasons": dict(self.reasons),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Read what ``to_dict`` wrote, refusing unknown keys."""
        version = values.get("version", VERSION)
        if version != VERSION:
            raise ValueRefusedError(
                "this version of a recipe cannot be read",
                given=version,
                allowed=str(VERSION),
                next_step="write the recipe again with this version of gradatim",
            )
        recipe = cls()
        for section, content in values.items():
            if section == "version":
                continue
            if section == "reasons":
                recipe = replace(recipe, reasons=dict(content))
            elif section == "rungs":
                recipe = replace(recipe, rungs=tuple(dict(rung) for rung in content))
            elif isinstance(content, Mapping):
                if section not in SECTIONS:
                    raise _unknown(f"{section}.{next(iter(content), '')}".rstrip("."))
                recipe = recipe.with_values({f"{section}.{k}": v for k, v in content.items()})
            else:
                recipe = recipe.with_values({section: content})
        return recipe

    def to_toml(self) -> str:
        """Return the recipe as TOML."""
        return tomlkit.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str, name: str = "recipe") -> Recipe:
        """Read a recipe from TOML.

        Raises:
            UsageError: the text is not TOML.
            UnknownNameError, ValueRefusedError: as ``with_values``.
        """
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"{name} is not TOML: {error}", next_step="correct the line named above"
            ) from error
        return cls.from_dict(values)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe file."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the recipe cannot be read ({error})",
                given=path,
                next_step="give a TOML file, e.g. the recipe.toml of a run folder",
            ) from error
        return cls.from_toml(text, str(path))

    def write(self, path: Path) -> None:
        """Write the recipe file, whole or not at all."""
        write_text(path, self.to_toml())


SECTIONS: dict[str, type] = {
    "data": DataRecipe,
    "model": ModelRecipe,
    "start": StartRecipe,
    "training": TrainingRecipe,
    "machine": MachineRecipe,
}


def keys() -> list[str]:
    """Return every dotted key a recipe knows; ``model`` also takes the options of its model."""
    dotted = [
        f"{section}.{item.name}" for section, owner in SECTIONS.items() for item in fields(owner)
    ]
    return ["seed", *(key for key in dotted if key != "model.options")]


def _plain(section: Any) -> dict[str, Any]:
    values = {item.name: getattr(section, item.name) for item in fields(section)}
    values.pop("options", None)
    return {
        key: [list(item) if isinstance(item, tuple) else item for item in value]
        if isinstance(value, tuple)
        else value
        for key, value in values.items()
        if value is not None
    }


def _unknown(key: str) -> UnknownNameError:
    return UnknownNameError(
        "the recipe has no such key",
        given=key,
        allowed=keys(),
        next_step="see `gradatim names recipe` for what each key does",
    )


def _with_value(recipe: Recipe, key: str, value: Any) -> Recipe:
    section, _, name = key.rpartition(".")
    if not section:
        if name != "seed":
            raise _unknown(key)
        return replace(recipe, seed=_read(key, int, value))
    owner_type = SECTIONS.get(section)
    if owner_type is None:
        raise _unknown(key)
    owner = getattr(recipe, section)
    if owner_type is ModelRecipe and name != "name":
        options = {**owner.options, name: _guess(value)}
        return replace(recipe, model=replace(owner, options=options))
    hints = typing.get_type_hints(owner_type)
    if name not in hints:
        raise _unknown(key)
    return replace(recipe, **{section: replace(owner, **{name: _read(key, hints[name], value)})})


def _guess(value: Any) -> Any:
    """Read a model option given as text: a TOML value where it is one, else the text itself."""
    if not isinstance(value, str):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _read(key: str, hint: Any, value: Any) -> Any:
    """Read a value as the type of its key."""
    optional = get_origin(hint) in (types.UnionType, typing.Union)
    choices = (
        [item for item in get_args(hint) if item is not types.NoneType] if optional else [hint]
    )
    if optional and (value is None or value == "auto"):
        return None
    wanted = choices[0]
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise ValueRefusedError(
                f"{key} does not take this value", given=value, allowed=[*get_args(wanted)]
            )
        return value
    try:
        if wanted is int and not isinstance(value, bool) and float(value) == int(float(value)):
            return int(float(value))
        if wanted is float and not isinstance(value, bool):
            return float(value)
        if wanted is str and isinstance(value, str):
            return value
        if wanted is bool and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if wanted == tuple[float, ...]:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(float(part) for part in parts)
        if get_origin(wanted) is tuple:
            return tuple((int(step), float(progress)) for step, progress in value)
    except (TypeError, ValueError, OverflowError):
        pass
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    name = names.get(wanted, "numbers" if wanted == tuple[float, ...] else "a list of points")
    raise ValueRefusedError(f"{key} takes {name}", given=value)


def parse_settings(settings: typing.Iterable[str]) -> dict[str, str]:
    """Read ``--set key=value`` texts.

    Raises:
        UsageError: a text has no ``=``.
    """
    values = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign or not key.strip():
            raise UsageError(
                "--set takes key=value", given=setting, next_step="e.g. --set training.clip=1.0"
            )
        values[key.strip()] = value.strip()
    return values


def fingerprint(recipe: Recipe) -> dict[str, Any]:
    """Return what a run's bits depend on: the recipe without reasons and checkpoint times."""
    values = dataclasses.replace(recipe, reasons={}).to_dict()
    values["training"].pop("checkpoint_seconds", None)
    return values


def describe_keys() -> dict[str, str]:
    """Return what each key does, from the documentation of its section."""
    found = {"seed": "every random choice of the run follows from it."}
    for section, owner in SECTIONS.items():
        entries = re.findall(r"^ {4,8}(\w[\w, ]*): (.*(?:\n {12}.*)*)", owner.__doc__ or "", re.M)
        for names, text in entries:
            for name in names.split(", "):
                found[f"{section}.{name}"] = " ".join(text.split())
    return {key: found.get(key, "name of the model.") for key in keys()}
