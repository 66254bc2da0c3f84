"""Weights of a module to and from files, with every mismatch named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from gradatim.core.files import write_bytes
from gradatim.errors import WeightsError

SHOWN = 8
"""Names listed of each kind of mismatch; the rest is counted."""


def save_weights(module: nn.Module, path: Path) -> None:
    """Write all parameters and buffers as safetensors, whole or not at all.

    Raises:
        DiskError: the disk is full or the place cannot be written.
    """
    # Tensors that share memory (tied weights) are written once for each name.
    tensors = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
    }
    write_bytes(path, save_safetensors(tensors))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors``, ``.pth`` or ``.pt`` file by name.

    A checkpoint that holds the state under ``state_dict``, ``model`` or ``model_state_dict`` is
    opened; a common prefix ``module.`` (of ``DataParallel``) is taken off. No code in the file is
    run.

    Raises:
        WeightsError: the file is missing, damaged, holds code, or no tensors by name.
    """
    if not path.is_file():
        raise WeightsError(
            "there is no weight file", given=path, next_step="give a .safetensors or .pth file"
        )
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


@dataclass(frozen=True)
class Mismatch:
    """How the tensors of a file differ from what a module holds."""

    missing: list[str]
    unexpected: list[str]
    shapes: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        kinds = {
            "not in the file": self.missing,
            "not in the model": self.unexpected,
            "of another shape": self.shapes,
        }
        lines = [f"{kind}: {_listed(names)}" for kind, names in kinds.items() if names]
        return "; ".join(lines)


def compare(module: nn.Module, state: Mapping[str, Tensor]) -> Mismatch:
    """Return what keeps a state from loading into a module.

    The counters of batches that older checkpoints lack (``num_batches_tracked``) may be missing.
    """
    own = module.state_dict()
    free: frozenset[str] = getattr(module, "sized_by_weights", frozenset())
    optional: tuple[str, ...] = getattr(module, "optional_weights", ())
    return Mismatch(
        missing=[
            f"{name} {_shape(own[name])}"
            for name in own
            if name not in state and not name.endswith("num_batches_tracked")
        ],
        unexpected=[
            f"{name} {_shape(tensor)}"
            for name, tensor in state.items()
            if name not in own and not name.startswith(optional)
        ],
        shapes=[
            f"{name} (file {_shape(state[name])}, model {_shape(tensor)})"
            for name, tensor in own.items()
            if name in state and name not in free and state[name].shape != tensor.shape
        ],
    )


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, origin: object = None) -> None:
    """Copy tensors by name into a module; all names and shapes have to fit.

    Args:
        module: takes the values; the kind of number of its own tensors is kept.
        state: tensors by name.
        origin: where they come from, for the message.

    Raises:
        WeightsError: names or shapes differ; each is listed.
    """
    difference = compare(module, state)
    if difference:
        raise WeightsError(
            "the weights do not fit the model",
            given=origin,
            allowed=f"the model's own names and shapes; {difference}",
            next_step="use weights of the same network, options and number of classes",
        )
    for name in getattr(module, "sized_by_weights", frozenset()) & state.keys():
        setattr(module, name, torch.empty_like(getattr(module, name)).new_empty(state[name].shape))
    module.load_state_dict(dict(state), strict=False)  # what may differ was checked above


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a weight file into a module.

    Raises:
        WeightsError: the file cannot be read, or its names or shapes differ from the module's.
    """
    load_state(module, read_weights(path), origin=path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"this is no readable safetensors file ({error})",
            given=path,
            next_step="the file is cut short or of another kind; fetch it again",
        ) from error
    return tensors


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, for damage as for code
        if "GLOBAL " in str(error):  # the word of the format for a class or function
            raise WeightsError(
                "this checkpoint holds more than tensors: reading it would run code",
                given=path,
                allowed="files with tensors, numbers and texts only",
                next_step="where you trust its author, open it with PyTorch and save "
                "model.state_dict() alone",
            ) from error
        raise WeightsError(
            f"this is no readable checkpoint ({type(error).__name__})",
            given=path,
            next_step="the file is cut short or of another kind; fetch it again",
        ) from error
    return _tensors_by_name(content, path)


def _tensors_by_name(content: Any, path: Path) -> dict[str, Tensor]:
    """Find the state in what a checkpoint holds."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise WeightsError("this checkpoint holds no tensors by name", given=path)
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if len(tensors) < len(content):
        others = [str(name) for name in content if str(name) not in tensors]
        raise WeightsError(
            f"this checkpoint holds other things than tensors by name: {_listed(others)}",
            given=path,
            next_step="save model.state_dict() alone, or under the key state_dict",
        )
    return tensors


def _shape(tensor: Tensor) -> str:
    return " x ".join(str(size) for size in tensor.shape) or "one number"


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
