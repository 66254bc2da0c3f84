"""The anatomy of a network by its name, at full size and without memory for its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from gradatim import models
from gradatim.anatomy.explanation import explain
from gradatim.anatomy.parts import Anatomy
from gradatim.errors import UsageError


def explain_named(
    name: str,
    *,
    options: Mapping[str, Any] | None = None,
    shape: tuple[int, ...] | None = None,
    witnesses: bool = True,
) -> Anatomy:
    """Return the anatomy of a network of the zoo, or of ``package.module:factory``.

    The network is built on the ``meta`` device, in the form used for inference; one from elsewhere
    that needs numbers while it is built, or while it runs, is built for real.

    Args:
        name: a name of ``gradatim.models.MODELS``, ``torchvision:NAME``, ``timm:NAME`` or
            ``package.module:factory``.
        options: options of the network.
        shape: of one sample without the batch axis; the network's own by default.
        witnesses: as in ``explain``.

    Raises:
        UnknownNameError, ValueRefusedError: as ``gradatim.models.full_size``.
        UsageError: the network does not run on this input, or tells no input of its own.
    """
    module = _built(name, options).eval()
    given = shape or own_input(module, name)
    try:
        return explain(module, given, witnesses=witnesses, name=name)
    except UsageError:
        if ":" not in name or all(item.device.type != "meta" for item in module.parameters()):
            raise
        # What a network from elsewhere does may depend on numbers, as the boxes of a detector do.
        module = models.full_size(name, options).eval()
        return explain(module, given, witnesses=witnesses, name=name)


def own_input(module: nn.Module, name: str) -> tuple[int, ...]:
    """Return the shape of one sample that a network was made for.

    Raises:
        UsageError: it does not say.
    """
    given = getattr(module, "full_input", None)
    if given is None:
        raise UsageError(
            "the network does not say which input it takes",
            given=name,
            next_step="add the shape of one sample, e.g. --input 3x224x224",
        )
    return tuple(given)


def _built(name: str, options: Mapping[str, Any] | None) -> nn.Module:
    try:
        with torch.device("meta"):
            return models.full_size(name, options)
    except Exception:  # it needs numbers while it is built, or it cannot be built at all
        return models.full_size(name, options)
