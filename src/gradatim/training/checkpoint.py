"""Checkpoint: the state of a run on disk, written so that a crash at any instant leaves one whole.

``checkpoint/checkpoint.json`` holds the counters and names the file of tensors with its size and
checksum. A new checkpoint writes its tensors under a name that is not in use, and only then
replaces the JSON, in one step: that is the instant at which the new checkpoint counts. The old
tensors are removed after it.
"""

from __future__ import annotations

import contextlib
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from gradatim.core.files import write_bytes, write_text
from gradatim.errors import CheckpointError

FOLDER = "checkpoint"
FILE = "checkpoint.json"
SCHEMA = 1
START_OVER = "remove the folder `checkpoint` to train this model from the start again"


class Checkpoint:
    """The checkpoint of a run folder.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    @property
    def exists(self) -> bool:
        """Whether a checkpoint has been completed."""
        return (self.folder / FILE).exists()

    def write(self, counters: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the checkpoint by a new one.

        Args:
            counters: plain values; texts for numbers that are not finite.
            tensors: by name, on any device; tensors may share memory.

        Raises:
            DiskError: it cannot be written; the old checkpoint is still there.
        """
        name = self._free_name()
        content = tensors_to_bytes(_separate(tensors))
        write_bytes(self.folder / name, content)
        facts = {"file": name, "bytes": len(content), "crc32": zlib.crc32(content)}
        text = json.dumps({"schema": SCHEMA, "tensors": facts, **counters})
        write_text(self.folder / FILE, text + "\n")
        self._tidy(name)

    def _free_name(self) -> str:
        """Return a name that no file has: the JSON may refer to any that is there."""
        used = {path.name for path in self.folder.glob("*.safetensors")}
        names = (f"tensors-{number}.safetensors" for number in count(1))
        return next(name for name in names if name not in used)

    def _tidy(self, current: str) -> None:
        """Remove the tensors of older checkpoints, and what crashes left behind."""
        for path in self.folder.iterdir():
            ours = path.suffix in (".safetensors", ".tmp")
            if ours and path.name != current:
                with contextlib.suppress(OSError):
                    path.unlink()

    def read(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return counters and tensors of the checkpoint.

        Raises:
            CheckpointError: it is missing, damaged or not of this version.
        """
        path = self.folder / FILE
        try:
            counters: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            schema, facts = counters["schema"], counters["tensors"]
            tensors_path = self.folder / str(facts["file"])
            size, checksum = int(facts["bytes"]), int(facts["crc32"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"the checkpoint cannot be read ({error})", given=path, next_step=START_OVER
            ) from error
        if schema != SCHEMA:
            raise CheckpointError(
                "this version of a checkpoint cannot be read",
                given=schema,
                allowed=str(SCHEMA),
                next_step="resume with the version of gradatim that began the run",
            )
        return counters, _read(tensors_path, size, checksum)


def _read(path: Path, size: int, checksum: int) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"the tensors of the checkpoint cannot be read ({error})",
            given=path,
            next_step=START_OVER,
        ) from error
    if len(content) != size or zlib.crc32(content) != checksum:
        what = "cut short" if len(content) < size else "damaged"
        raise CheckpointError(
            f"the tensors of the checkpoint are {what}",
            given=path,
            allowed=f"{size} bytes with checksum {checksum:08x}",
            next_step=START_OVER,
        )
    try:
        tensors: dict[str, Tensor] = read_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(
            f"the tensors of the checkpoint are damaged ({error})",
            given=path,
            next_step=START_OVER,
        ) from error
    return tensors


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as safetensors takes them: on the processor, contiguous, none shared."""
    separate: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return separate


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by name, not copied."""
    return {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}


def copy_into(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Copy the tensors ``prefix + name`` into the targets; their memory layout stays.

    Raises:
        CheckpointError: a tensor is missing, too many, or of another shape.
    """
    found = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    for name in targets.keys() | found.keys():
        wanted, given = targets.get(name), found.get(name)
        if wanted is None or given is None or wanted.shape != given.shape:
            raise CheckpointError(
                "the checkpoint does not fit this model: "
                f"{_shape(given)} in the checkpoint, {_shape(wanted)} in the model",
                given=name,
                next_step="build the model with the options of the run's recipe",
            )
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(found[name])


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else " x ".join(map(str, tensor.shape)) or "a number"


def optimiser_state(optimiser: Optimizer) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return an optimiser's state as plain values and tensors, for any optimiser of torch.

    Returns:
        plain values: ``{"state": {parameter: {name: value}}, "groups": [{name: value}]}``, and
        tensors named ``parameter.name``. Parameters are counted in the optimiser's order.
    """
    content = optimiser.state_dict()
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, values in content["state"].items():
        plain[str(index)] = {}
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                plain[str(index)][name] = value
    groups = [
        {name: value for name, value in group.items() if _is_plain(value) and name != "params"}
        for group in content["param_groups"]
    ]
    return {"state": plain, "groups": groups}, tensors


def restore_optimiser(
    optimiser: Optimizer, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], prefix: str
) -> None:
    """Give an optimiser the state that ``optimiser_state`` returned.

    A tensor of the shape of its parameter also gets the parameter's strides: kernels may round
    differently on other strides.

    Raises:
        CheckpointError: the state is not of this optimiser.
    """
    content = optimiser.state_dict()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {
        int(index): dict(values) for index, values in plain["state"].items()
    }
    try:
        for name, value in tensors.items():
            if name.startswith(prefix):
                number, _, entry = name.removeprefix(prefix).partition(".")
                parameter = parameters[int(number)]
                if value.shape == parameter.shape:
                    value = torch.empty_like(parameter, dtype=value.dtype).detach().copy_(value)
                state[int(number)][entry] = value
        for group, values in zip(content["param_groups"], plain["groups"], strict=True):
            group.update(
                {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
            )
        content["state"] = state
        optimiser.load_state_dict(content)
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(
            "the checkpoint's optimiser state does not fit",
            given=type(optimiser).__name__,
            next_step="resume with the recipe of the run",
        ) from error


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def plain_numbers(values: Mapping[str, float]) -> dict[str, float | str]:
    """Return numbers as JSON holds them: those that are not finite as text."""
    return {name: value if math.isfinite(value) else repr(value) for name, value in values.items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterable[str]:
    """Yield ``key: old value, now new value`` for every difference of two nested mappings."""
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from differences(a, b, f"{prefix}{key}.")
        elif a != b:
            yield f"{prefix}{key} was {a}, now {b}"
