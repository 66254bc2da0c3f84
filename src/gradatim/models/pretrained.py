"""Weights that others learnt: the tensors of a network, with what belongs to them.

Weights of a library (``torchvision:NAME``, ``timm:NAME``) are downloaded and kept by that library;
those of ``package.module:factory`` are in the module that the function returns; a ``.safetensors``
or ``.pth`` file holds tensors only, so the network has to be named beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.errors import UsageError, WeightsError
from gradatim.models.external import is_external, pretrained_external
from gradatim.models.head import Head
from gradatim.models.shared_classes import IMAGENET_CLASSES, imagenet
from gradatim.models.weights import compare, load_state, read_weights

FILES = (".safetensors", ".pth", ".pt")
# Of the training images of ImageNet, by channel; used by torchvision and most others.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET_SIZE = 224


@dataclass(frozen=True)
class Pretrained:
    """Weights with what belongs to them.

    Attributes:
        origin: where they come from, as the user said it.
        name, options: of the network, as ``models.build`` takes them.
        state: tensors by name.
        classes: for each output, the names it goes by; empty where they are not known.
        settings: keys of the recipe that belong to the weights, each a value and its reason:
            ``data.size``, ``data.channels``, ``data.mean``, ``data.std``, ``data.interpolation``.
        remarks: what differs from how the weights were made, in sentences.
    """

    origin: str
    name: str
    options: Mapping[str, Any]
    state: Mapping[str, Tensor]
    classes: Sequence[tuple[str, ...]] = ()
    settings: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Fingerprint of all tensors with their names."""
        return fingerprint(self.state)


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """Return a fingerprint of tensors: names, types, shapes and every bit of the values."""
    found = blake2b(digest_size=16)
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def is_file(weights: str) -> bool:
    """Return whether weights are named by a file."""
    return Path(weights).suffix.lower() in FILES or Path(weights).expanduser().is_file()


def read_file(weights: str, name: str | None, options: Mapping[str, Any]) -> Pretrained:
    """Read a weight file for a network that is named beside it.

    Raises:
        UsageError: no network is named.
        WeightsError: the file is missing, damaged, holds code, or no tensors by name.
    """
    state = read_weights(Path(weights).expanduser())
    if name is None:
        raise UsageError(
            "a weight file does not say which network it belongs to",
            given=weights,
            next_step="name it, e.g. --model resnet18, or --model package.module:factory",
        )
    return Pretrained(weights, name, options, state, settings=_imagenet_settings())


def read_external(weights: str, options: Mapping[str, Any]) -> Pretrained:
    """Take the weights of a library's model, or of the module that a function returns.

    Raises:
        UsageError, UnknownNameError, ValueRefusedError: as ``models.build``; or the library could
            not get the weights.
    """
    if not is_external(weights):
        raise UsageError(
            "these weights are not there",
            given=weights,
            allowed="a run or package folder, a .safetensors or .pth file, torchvision:NAME, "
            "timm:NAME, package.module:factory",
        )
    module, look = pretrained_external(weights, options)
    state = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    settings = _imagenet_settings() if not look.settings else look.settings
    classes = tuple((name,) for name in look.classes)
    return Pretrained(weights, weights, options, state, classes, settings, look.remarks)


def old_classes(pretrained: Pretrained, outputs: int) -> Sequence[tuple[str, ...]]:
    """Return the names of the old classifier's outputs: its own, ImageNet's, or none.

    A thousand outputs are taken to be the classes of ImageNet, in their usual order, unless the
    weights name their classes; a name of that order brings its synonyms.
    """
    if outputs == IMAGENET_CLASSES:
        names = imagenet()
        own = [row[0] for row in pretrained.classes]
        if not own or sum(a in b for a, b in zip(own, names, strict=True)) > 0.9 * outputs:
            return names
    return pretrained.classes


def transplant(model: nn.Module, pretrained: Pretrained, head: Head) -> list[str]:
    """Copy all tensors but those of the output layer into a network.

    Further output layers (the auxiliary heads of GoogLeNet) are left as they are where their
    number of outputs differs.

    Returns:
        Names of the tensors that were not copied.

    Raises:
        WeightsError: names or shapes differ; each is listed.
    """
    own = model.state_dict()
    state = dict(pretrained.state)
    old = outputs_of(pretrained, head)
    new = {
        name
        for name, tensor in own.items()
        if name.startswith(f"{head.name}.")
        or (name in state and _is_other_output(tensor, state[name], head.outputs, old))
    }
    for name in new:
        state[name] = own[name]
    difference = compare(model, state)
    if difference:
        raise WeightsError(
            "the weights do not fit the network",
            given=pretrained.origin,
            allowed=f"the names and shapes of {pretrained.name}; {difference}",
            next_step="name the network, and the options, that the weights were made with "
            "(--model NAME, --set model.KEY=VALUE)",
        )
    load_state(model, state, origin=pretrained.origin)
    return sorted(new)


def outputs_of(pretrained: Pretrained, head: Head) -> int:
    """Return the number of outputs of the old classifier; 0 where the weights lack it."""
    weight = pretrained.state.get(f"{head.name}.weight")
    return 0 if weight is None else len(weight)


def copy_rows(
    layer: nn.Module, pretrained: Pretrained, head: Head, pairs: Mapping[int, int]
) -> None:
    """Copy rows and biases of the old output layer into the new one.

    Args:
        layer: the new output layer.
        pretrained: holds the old one.
        head: names it.
        pairs: new row -> old row.

    Raises:
        WeightsError: the rows are of another length.
    """
    for name, parameter in layer.named_parameters():
        old = pretrained.state.get(f"{head.name}.{name}")
        if old is None or not pairs:
            continue
        if old.shape[1:] != parameter.shape[1:]:
            raise WeightsError(
                "the rows of the old output layer do not fit the new one",
                given=pretrained.origin,
                allowed=f"rows of {tuple(parameter.shape[1:])}, not {tuple(old.shape[1:])}",
            )
        with torch.no_grad():
            for row, source in pairs.items():
                parameter[row].copy_(old[source])


def level_rows(layer: nn.Module, rows: Collection[int]) -> float:
    """Scale copied rows and biases to the mean length of the fresh rows; return the factor.

    Trained rows are longer than fresh ones, so whatever is shown would be taken for one of their
    classes. What they say of each other keeps its order. (Weight aligning, Zhao et al. 2020,
    "Maintaining Discrimination and Fairness in Class Incremental Learning".)

    Args:
        layer: the output layer, rows copied; 1 where all rows are, or none.
        rows: those that were copied.
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    copied = torch.zeros(len(weight), dtype=torch.bool)
    copied[list(rows)] = True
    if not rows or copied.all():
        return 1.0
    lengths = weight.detach().cpu().flatten(1).norm(dim=1)
    factor = float(lengths[~copied].mean() / lengths[copied].mean())
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter[list(rows)] *= factor
    return factor


def _is_other_output(own: Tensor, given: Tensor, outputs: int, old: int) -> bool:
    """Return whether two tensors are rows of another output layer: only their number differs."""
    return (
        own.shape[1:] == given.shape[1:]
        and own.shape != given.shape
        and (len(own), len(given)) == (outputs, old)
    )


def _imagenet_settings() -> dict[str, tuple[Any, str]]:
    """Return the settings of most weights for colour photos; nothing in them says otherwise."""
    reason = "the weights do not say how their images were prepared, so as for ImageNet"
    return {
        "data.size": (IMAGENET_SIZE, reason),
        "data.channels": (3, reason),
        "data.mean": (IMAGENET_MEAN, reason),
        "data.std": (IMAGENET_STD, reason),
    }
