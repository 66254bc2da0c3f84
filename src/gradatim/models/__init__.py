"""The models: one row a name, one readable file a network, resolved when used.

Importing this room loads no torch, so that the names can be listed at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradatim.core.registry import resolve

if TYPE_CHECKING:
    from torch import nn

    from gradatim.core.spec import Spec

MODELS: dict[str, str] = {
    "majority": "gradatim.models.majority:Majority",
    "knn": "gradatim.models.knn:NearestNeighbours",
    "linear": "gradatim.models.linear:Linear",
    "mlp": "gradatim.models.mlp:MLP",
    "lenet": "gradatim.models.lenet:LeNet",
    "resnet18": "gradatim.models.resnet:ResNet18",
}


def build(name: str, spec: Spec, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a model fitted to what enters and leaves it.

    Args:
        name: a row of ``MODELS``.
        spec: shape of the input, kind of task, classes.
        options: options of the model's own; what is left out takes its default.

    Returns:
        A plain module that takes ``B x spec.shape`` and answers ``B x spec.outputs`` raw scores;
        ``.options`` holds every option as resolved.

    Raises:
        UnknownNameError: no such model, or the model has no such option.
        ValueRefusedError: a value is refused, or the model does not suit the data.
    """
    module: nn.Module = resolve(MODELS, name, "model").for_spec(spec, **(options or {}))
    return module


def full_size(name: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a network as published, e.g. for 3 x 224 x 224 pixels and 1000 classes.

    The shape of its input is ``module.full_input``. Build it under ``torch.device("meta")`` where
    only its arithmetic is wanted: no memory is used then.

    Raises:
        UnknownNameError, ValueRefusedError: as ``build``.
    """
    module: nn.Module = resolve(MODELS, name, "model").full_size(**(options or {}))
    return module
