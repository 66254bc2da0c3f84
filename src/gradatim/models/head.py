"""The output layer of any network: found by running it once, made anew, or filled in.

Everything before it is the *body*; what enters it are the *features* of an input. Only the answer
of a run counts, not names: the output layer is the last dense layer, or 1 x 1 convolution, that
is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.errors import UsageError


@dataclass(frozen=True)
class Head:
    """The output layer of a network.

    Attributes:
        name: dotted, within the network.
        outputs: values it answers.
        exact: whether the answers of the network are the layer's own, with nothing after it. Then
            a linear model of the features is the network with another output layer.
    """

    name: str
    outputs: int
    exact: bool


def find_head(model: nn.Module, shape: tuple[int, ...]) -> Head:
    """Return the output layer: the last dense layer or 1 x 1 convolution called in a run.

    Args:
        model: any network; it is run once on zeros, in evaluation mode.
        shape: of one input.

    Raises:
        UsageError: the network does not run on such an input, or ends in no such layer.
    """
    names = {module: name for name, module in model.named_modules()}
    called: list[tuple[nn.Module, Any]] = []
    hooks = [
        module.register_forward_hook(lambda module, _, output: called.append((module, output)))
        for module in names
        if _is_output_layer(module)
    ]
    like = next(model.parameters(), torch.empty(0))
    modes = [(module, module.training) for module in names]
    model.eval()
    try:
        with torch.no_grad():
            answer = model(like.new_zeros(1, *shape))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise UsageError(
            f"the network does not run on such an input ({str(error).splitlines()[0]})",
            given=" x ".join(str(side) for side in shape),
            next_step="set data.size and data.channels to what the weights were made for",
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    if not called:
        raise UsageError(
            "this network has no output layer that could be made anew",
            given=type(model).__name__,
            allowed="a dense layer or a 1 x 1 convolution at the end",
        )
    layer, output = called[-1]
    exact = isinstance(layer, nn.Linear) and isinstance(answer, Tensor) and answer is output
    return Head(names[layer], _outputs(layer), exact)


def replace_head(model: nn.Module, name: str, outputs: int) -> None:
    """Put a fresh layer of the same kind with other outputs in the place of the output layer.

    The new layer is initialised by PyTorch's own rule for its kind.
    """
    old = model.get_submodule(name)
    if isinstance(old, nn.Linear):
        new: nn.Module = nn.Linear(old.in_features, outputs, bias=old.bias is not None)
    else:
        assert isinstance(old, nn.Conv2d)
        new = nn.Conv2d(old.in_channels, outputs, 1, bias=old.bias is not None)
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, new)


def fit_outputs(model: nn.Module, shape: tuple[int, ...], outputs: int) -> None:
    """Replace the output layer where it answers another number of values than is wanted.

    A network that cannot be run on such an input, or ends in another way, is left as it is.
    """
    try:
        head = find_head(model, shape)
    except UsageError:
        return
    if head.outputs != outputs and head.name:
        replace_head(model, head.name, outputs)


@contextmanager
def features_of(model: nn.Module, name: str) -> Iterator[list[Tensor]]:
    """Collect, while the context is open, what enters the output layer: ``B x D`` for each run."""
    found: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        found.append(inputs[0].detach().float())

    hook = model.get_submodule(name).register_forward_pre_hook(keep)
    try:
        yield found
    finally:
        hook.remove()


def blocks_of(model: nn.Module, head: str) -> list[tuple[str, list[nn.Parameter]]]:
    """Return the blocks of the body in the order of the network: their names and parameters.

    Containers (``Sequential``, ``ModuleList`` and the network itself) are opened; what is inside
    of them and has parameters, a layer or a residual block, is a block.
    """
    blocks: list[tuple[str, list[nn.Parameter]]] = []

    def visit(module: nn.Module, name: str) -> None:
        if name == head:
            return
        opened = not name or isinstance(module, nn.Sequential | nn.ModuleList)
        inside = [(f"{name}.{part}".lstrip("."), child) for part, child in module.named_children()]
        if opened or any(inner == head or head.startswith(f"{inner}.") for inner, _ in inside):
            own = list(module.parameters(recurse=False))
            if own:
                blocks.append((name, own))
            for inner, child in inside:
                visit(child, inner)
        elif parameters := list(module.parameters()):
            blocks.append((name, parameters))

    visit(model, "")
    return blocks


def _is_output_layer(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1
    return isinstance(module, nn.Linear)


def _outputs(layer: nn.Module) -> int:
    if isinstance(layer, nn.Linear):
        return layer.out_features
    assert isinstance(layer, nn.Conv2d)
    return layer.out_channels
