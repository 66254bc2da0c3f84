"""How the weights of dense layers and convolutions start.

========================  =======================================================================
``auto``                  each layer by the rule made for its activation (see ``initialise``)
``NUMBER*randn``          normal with that standard deviation, e.g. ``0.01*randn``
``constant=NUMBER``       every weight the same number; ``zeros`` is ``constant=0``
``xavier-uniform``        Glorot and Bengio 2010, eq. 16: U(-a, a), a = sqrt(6 / (fan in + fan out))
``xavier-normal``         the normal distribution of the same variance 2 / (fan in + fan out)
``kaiming-uniform``       U(-a, a) with the variance of ``kaiming-normal``
``kaiming-normal``        He et al. 2015, eq. 10: normal, variance 2 / fan in
``orthogonal``            Saxe et al. 2014: a random orthogonal matrix
``pytorch``               what ``torch.nn`` does by itself: U(-1/sqrt(fan in), 1/sqrt(fan in))
========================  =======================================================================

``xavier`` and ``kaiming`` alone mean the uniform and the normal form. Biases start at 0, except
with ``pytorch``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gradatim.errors import ValueRefusedError
from gradatim.models.activations import SATURATING

Fill = Callable[[Tensor], object]

_RULES: dict[str, Fill] = {
    "xavier": nn.init.xavier_uniform_,
    "xavier-uniform": nn.init.xavier_uniform_,
    "xavier-normal": nn.init.xavier_normal_,
    "kaiming": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "kaiming-normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "kaiming-uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
    "zeros": nn.init.zeros_,
}

ALLOWED = ["auto", "pytorch", *_RULES, "NUMBER*randn", "constant=NUMBER"]

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d)


def fill(name: str) -> Fill:
    """Return the function that fills a weight tensor in place by a rule other than ``auto``.

    Raises:
        ValueRefusedError: the text names no rule.
    """
    if name in _RULES:
        return _RULES[name]
    number, star, word = name.partition("*")
    if star and word.strip() == "randn":
        deviation = _number(name, number)
        if deviation < 0:
            raise _refused(name)
        return lambda weight: nn.init.normal_(weight, 0.0, deviation)
    word, sign, number = name.partition("=")
    if sign and word.strip() == "constant":
        constant = _number(name, number)
        return lambda weight: nn.init.constant_(weight, constant)
    raise _refused(name)


def initialise(
    layers: Sequence[nn.Module] | nn.Module, name: str, *, activation: str = "relu"
) -> None:
    """Start the weights of dense layers and convolutions; biases start at 0.

    ``auto`` takes Xavier's uniform rule before an activation that saturates (sigmoid, tanh),
    Kaiming's normal rule before any other, and ``0.01*randn`` for the last layer, so that the
    first loss of K classes is near ln K.

    Args:
        layers: the modules in order; of a module, all its dense layers and convolutions. The last
            one is the output layer.
        name: a rule, see the top of this file.
        activation: the activation after the hidden layers.

    Raises:
        ValueRefusedError: the text names no rule.
    """
    modules = layers.modules() if isinstance(layers, nn.Module) else layers
    weighted = [module for module in modules if isinstance(module, WEIGHTED)]
    if name == "pytorch":
        return
    hidden = fill(_suited(activation) if name == "auto" else name)
    output = fill("0.01*randn") if name == "auto" else hidden
    for layer in weighted:
        with torch.no_grad():
            (output if layer is weighted[-1] else hidden)(layer.weight)
            if layer.bias is not None:
                layer.bias.zero_()


def _suited(activation: str) -> str:
    return "xavier-uniform" if activation in SATURATING else "kaiming-normal"


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _refused(name) from None
    if not math.isfinite(number):
        raise _refused(name)
    return number


def _refused(name: str) -> ValueRefusedError:
    return ValueRefusedError(
        "there is no initialisation of this name",
        given=name,
        allowed=ALLOWED,
        next_step="e.g. initialisation=0.01*randn or initialisation=constant=0.5",
    )
