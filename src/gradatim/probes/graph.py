"""The graph that a backward pass is about to walk: from the loss to the parameters.

PyTorch's graph says, whatever the style of the script, what was computed: the names of the
operations, their shapes, which parameters they reach, and what they keep for the backward pass
(inputs of layers, outputs of activations, targets of losses).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

MOST_NODES = 6000
MOST_TERMS = 16
_WEIGHT_VIEWS = {"TBackward0", "TransposeBackward0", "ViewBackward0", "UnsafeViewBackward0"}
_WEIGHT_VIEWS |= {"ReshapeAliasBackward0", "PermuteBackward0", "ToCopyBackward0", "SplitBackward0"}
_CARRIERS = _WEIGHT_VIEWS | {"UnsqueezeBackward0", "ExpandBackward0", "RepeatBackward0"}
_CARRIERS |= {"CloneBackward0", "IndexSelectBackward0", "ConstantPadNdBackward0"}
_SAME_VALUES = {"View", "UnsafeView", "ReshapeAlias", "Reshape", "Squeeze", "Unsqueeze"}
_SAME_VALUES |= {"Transpose", "T", "Permute", "Expand", "ToCopy", "Clone", "Alias", "Slice"}
_SAME_VALUES |= {
    "Select",
    "Index",
    "IndexSelect",
    "Gather",
    "Flatten",
    "Movedim",
    "Unbind",
    "Split",
    "Chunk",
    "Cat",
}
_PRODUCTS = {"AddmmBackward0", "MmBackward0", "BmmBackward0", "AddmvBackward0", "MvBackward0"}
_PRODUCTS |= {"ConvolutionBackward0", "MkldnnRnnLayerBackward0", "CudnnRnnBackward0"}
_PRODUCTS |= {"MiopenRnnBackward0", "EmbeddingBackward0", "LinearBackward0", "BaddbmmBackward0"}
_PRODUCTS |= {"EmbeddingBagBackward0", "MkldnnLinearBackward0", "MpsLinearBackward0"}
_PRODUCTS |= {"MkldnnConvolutionBackward0", "CudnnConvolutionBackward0", "BilinearBackward0"}
_WITH_OR_WITHOUT_WEIGHT = {"MmBackward0", "BmmBackward0", "BaddbmmBackward0", "MvBackward0"}


@dataclass
class Node:
    """One operation: the name of its backward function, order of execution, shape of its result."""

    name: str
    order: int
    shape: tuple[int, ...] | None
    handle: Any
    inputs: list[Node] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)  # id() of the leaves it uses directly
    product: bool = False  # a layer: a weight times an input

    @property
    def operation(self) -> str:
        """The name without ``Backward`` and what follows it."""
        return self.name.split("Backward")[0]

    def saved(self, name: str) -> Any:
        """Return what the operation kept, or None where it cannot be read."""
        try:
            return getattr(self.handle, "_saved_" + name, None)
        except RuntimeError:  # freed, or changed in place since
            return None


@dataclass
class Graph:
    """Nodes in order of execution, the leaves that were reached, and whether all were walked."""

    root: Node | None
    nodes: list[Node]
    leaves: dict[int, Tensor]
    complete: bool

    @property
    def orders(self) -> set[int]:
        """Execution numbers of all nodes, to tell which results led to this loss."""
        return {node.order for node in self.nodes}


def _node(handle: Any) -> Node:
    try:
        shape = tuple(int(size) for size in handle._input_metadata[0].shape)
    except (AttributeError, IndexError, RuntimeError):
        shape = None
    name = type(handle).__name__
    return Node(name, handle._sequence_nr(), shape, handle)


def walk(loss: Tensor) -> Graph:
    """Return the graph behind a loss; at most MOST_NODES operations of it."""
    if loss.grad_fn is None:
        leaves = {id(loss): loss} if loss.requires_grad else {}
        return Graph(None, [], leaves, True)
    root = _node(loss.grad_fn)
    known: dict[Any, Node] = {loss.grad_fn: root}
    leaves = {}
    waiting = [root]
    while waiting and len(known) < MOST_NODES:
        node = waiting.pop()
        for handle, _ in node.handle.next_functions:
            if handle is None:
                continue
            variable = getattr(handle, "variable", None)
            if variable is not None:
                leaves[id(variable)] = variable
                node.parameters.append(id(variable))
                continue
            following = known.get(handle)
            if following is None:
                following = known[handle] = _node(handle)
                waiting.append(following)
            node.inputs.append(following)
            following.outputs.append(node)
    nodes = sorted(known.values(), key=lambda item: item.order)
    for node in nodes:
        if node.name in _PRODUCTS:
            node.parameters += [leaf for item in node.inputs for leaf in _carried(item)]
            node.product = bool(node.parameters) or node.name not in _WITH_OR_WITHOUT_WEIGHT
    return Graph(root, nodes, leaves, not waiting)


def only_way(graph: Graph, layer: Node) -> bool:
    """Say whether all that the loss knows of the inputs has passed one layer.

    Then no first layer (one that works on no other's result) is reached around it.
    """
    if graph.root is None or not graph.complete:
        return False
    below: set[int] = set()  # operations that some layer leads to
    for node in graph.nodes:
        if any(item.product or id(item) in below for item in node.inputs):
            below.add(id(node))
    waiting, seen = [graph.root], {id(graph.root), id(layer)}
    while waiting:
        node = waiting.pop()
        if node.product and id(node) not in below and node is not layer:
            return False
        new = [item for item in node.inputs if id(item) not in seen]
        seen.update(map(id, new))
        waiting += new
    return True


def several_terms(graph: Graph, criteria: set[int]) -> bool:
    """Say whether the loss is more than its criteria: it reaches a layer by a way around them.

    A penalty on the weights is none. Without criteria that were called, a sum of single numbers
    that come about in different ways has several terms.

    Args:
        graph: what is behind the loss.
        criteria: execution numbers of the results of loss functions.
    """
    if graph.root is None:
        return False
    leading = _leading(graph, criteria)
    if criteria:
        return id(graph.root) in leading
    return (
        len(
            {
                tuple(item.operation for item in chain(node))
                for node in _terms(graph.root)
                if id(node) in leading
            }
        )
        > 1
    )


def _leading(graph: Graph, criteria: set[int]) -> set[int]:
    """Return the operations, by id(), that lead to a layer by a way around the criteria."""
    leading: set[int] = set()
    for node in graph.nodes:  # what goes into an operation was executed before it
        around = node.product or any(id(item) in leading for item in node.inputs)
        if around and node.order not in criteria:
            leading.add(id(node))
    return leading


def addends(graph: Graph) -> list[tuple[Node, float]]:
    """Return the terms of a loss that lead to a layer, each with the number it is multiplied by.

    Sums, differences, means of a few single numbers, and products with numbers are taken apart; a
    term with a factor that is not a number known is left whole.
    """
    if graph.root is None:
        return []
    leading = _leading(graph, set())
    found: list[tuple[Node, float]] = []
    waiting = [(graph.root, 1.0)]
    while waiting and len(found) < MOST_TERMS:
        node, factor = waiting.pop()
        parts = _parts(node)
        if parts is None:
            if id(node) in leading:
                found.append((node, factor))
        else:
            waiting += [(item, factor * share) for item, share in parts]
    return sorted(found, key=lambda pair: pair[0].order)


def _parts(node: Node) -> list[tuple[Node, float]] | None:
    """Return what one operation adds up, with factors; None where it does something else."""
    several = node.inputs[0].inputs if node.inputs and node.operation in ("Sum", "Mean") else []
    if several and node.inputs[0].operation in ("Stack", "Cat") and all(map(_single, several)):
        share = 1.0 if node.operation == "Sum" else 1 / len(several)
        return [(item, share) for item in several]
    if node.product or not node.inputs or not all(map(_single, [node, *node.inputs])):
        return None
    if node.operation == "Add":
        return [(item, 1.0) for item in node.inputs]
    if node.operation == "Sub" and len(node.inputs) == 2:
        return [(node.inputs[0], 1.0), (node.inputs[1], -1.0)]
    if len(node.inputs) > 1:
        return None
    if node.operation == "Neg":
        return [(node.inputs[0], -1.0)]
    if node.operation in ("Mul", "Div"):
        other = node.saved("other")
        if not isinstance(other, Tensor) or other.numel() != 1 or not float(other):
            return None
        return [(node.inputs[0], float(other) if node.operation == "Mul" else 1 / float(other))]
    same = node.operation in _SAME_VALUES
    return [(node.inputs[0], 1.0)] if same else None


def _single(node: Node) -> bool:
    return node.shape is not None and math.prod(node.shape) == 1


def _terms(root: Node) -> list[Node]:
    """Return what single numbers were added up from, however often and in whatever order."""
    found, waiting, seen = [], [root], {id(root)}
    while waiting:
        node = waiting.pop()
        numbers = node.inputs if node.operation in ("Stack", "Cat") else [node]
        if not all(map(_single, numbers)) or node.product or not node.inputs:
            found.append(node)
            continue
        for item in node.inputs:
            if id(item) not in seen:
                seen.add(id(item))
                waiting.append(item)
    return found


def _carried(node: Node, depth: int = 6) -> list[int]:
    """Return the leaves behind a chain of operations that only move and repeat what they hold."""
    if node.name not in _CARRIERS or depth == 0:
        return []
    return node.parameters + [leaf for item in node.inputs for leaf in _carried(item, depth - 1)]


def tail(root: Node | None, most: int = 60) -> list[Node]:
    """Return the operations between a loss and the last layers, nearest to the loss first."""
    if root is None:
        return []
    found: list[Node] = []
    seen = {id(root)}
    waiting = [root]
    while waiting and len(found) < most:
        node = waiting.pop(0)
        if node.product:
            continue
        found.append(node)
        for item in node.inputs:
            if id(item) not in seen:
                seen.add(id(item))
                waiting.append(item)
    return found


def chain(node: Node, most: int = 12) -> list[Node]:
    """Return the operations from a result back to its layer, those that keep values left out.

    Where an operation has several inputs, the one computed last is followed.
    """
    found: list[Node] = []
    while not node.product and len(found) < most:
        if node.operation not in _SAME_VALUES:
            found.append(node)
        if not node.inputs:
            break
        node = max(node.inputs, key=lambda item: item.order)
    return found


def layer_below(node: Node, most: int = 12) -> Node | None:
    """Return the layer whose result an operation works on, or None when there is none near."""
    for _ in range(most):
        if node.product:
            return node
        if not node.inputs:
            return None
        node = max(node.inputs, key=lambda item: item.order)
    return None


def readable() -> bool:
    """Say whether this is a moment to read tensors at all: no tracing, no compiling, no modes."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
    )
