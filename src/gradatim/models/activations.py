"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn

Activation = Literal[
    "sigmoid",
    "tanh",
    "relu",
    "leaky-relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "hard-tanh",
    "identity",
]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "hard-tanh": nn.Hardtanh,
    "identity": nn.Identity,
}

SATURATING = frozenset({"sigmoid", "tanh", "hard-tanh"})
"""Activations that are flat on both sides; Xavier's rule was derived for them."""


FALLING = frozenset({"gelu", "silu"})
"""Activations that fall somewhere; all others never do, so they keep the order of their inputs."""


def activation_layer(name: Activation) -> nn.Module:
    """Return a new module of the activation."""
    return ACTIVATIONS[name]()
