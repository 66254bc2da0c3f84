"""What flows through the layers: activations and inputs, read from the graph of a backward pass."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from gradatim.probes.graph import Graph, Node, layer_below, only_way
from gradatim.probes.measure import MOST_ROWS, SOME_VALUES, Numbers, few, plain

# operation -> (name, what it keeps: its result, or what it was given)
_KINDS = {
    "Relu": ("relu", "result"),
    "Threshold": ("relu", "self"),
    "ClampMin": ("relu", "self"),
    "Tanh": ("tanh", "result"),
    "Sigmoid": ("sigmoid", "result"),
    "Hardtanh": ("relu6", "self"),
    "LeakyRelu": ("leaky-relu", "self"),
    "Gelu": ("gelu", "self"),
    "Elu": ("elu", "self"),
    "Silu": ("silu", "self"),
    "Softplus": ("softplus", "self"),
    "Mish": ("mish", "self"),
    "Hardswish": ("hardswish", "self"),
    "PreluKernel": ("prelu", "self"),
    "LogSigmoid": ("log-sigmoid", "self"),
}
_LAYER_INPUT = ("mat1", "input", "self")
_WINDOW = 6
_MOST_SITES = 120
_NARROW = 8  # values a sample
_GATES = {"Mul", "Rsub"}


def is_activation(node: Node) -> bool:
    """Say whether an operation is an element-wise non-linearity."""
    return node.operation in _KINDS


class Activations:
    """Counts, per place in the network, which units were active in the last few batches."""

    def __init__(self) -> None:
        self._active: dict[str, deque[tuple[int, Tensor]]] = {}

    def read(self, graph: Graph, name_of: Callable[[int], str | None]) -> list[Numbers]:
        """Return one entry per activation, in order of execution.

        ``units``, ``dead`` (units at zero for every sample of the last batches), ``samples`` and
        ``batches`` that this rests on, ``zero`` and ``saturated`` (shares of values), ``std``,
        ``gate`` (its result multiplies something: a gate is meant to saturate).
        """
        found = []
        for index, node in enumerate(n for n in graph.nodes if is_activation(n)):
            if index >= _MOST_SITES:
                break
            kind, kept = _KINDS[node.operation]
            values = node.saved(kept)
            if not plain(values) or values.dim() == 0 or values.numel() == 0:
                continue
            entry: Numbers = {
                "kind": kind,
                "layer": _owner(node, name_of),
                "shape": list(values.shape),
                "gate": any(n.operation in _GATES and len(n.inputs) > 1 for n in node.outputs),
            }
            self._measure(f"{index} {kind}", kind, node, values, entry)
            found.append(entry)
        return found

    def _measure(self, site: str, kind: str, node: Node, values: Tensor, entry: Numbers) -> None:
        seen = few(values, SOME_VALUES).float()
        entry["std"] = float(seen.std(correction=0))
        if kind in ("tanh", "sigmoid"):
            low = -1.0 if kind == "tanh" else 0.0
            width = 0.01 * (1.0 - low)
            entry["saturated"] = float(((seen < low + width) | (seen > 1 - width)).float().mean())
        if kind != "relu" or seen.dim() < 2:
            return
        entry["zero"] = float((seen <= 0).float().mean())
        axis = 1 if seen.dim() != 3 or _after_convolution(node) else 2
        rows = values.detach()[:MOST_ROWS]
        active = rows.amax([index for index in range(rows.dim()) if index != axis]) > 0
        window = self._active.setdefault(site, deque(maxlen=_WINDOW))
        if window and window[-1][1].shape != active.shape:
            window.clear()
        window.append((len(rows), active))
        ever = torch.stack([item for _, item in window]).any(0)
        entry["units"] = int(ever.numel())
        entry["dead"] = int((~ever).sum())
        entry["samples"] = sum(count for count, _ in window)
        entry["batches"] = len(window)


def _after_convolution(node: Node) -> bool:
    below = layer_below(node)
    return below is not None and "Convolution" in below.name


def _owner(node: Node, name_of: Callable[[int], str | None]) -> str | None:
    """Return the module whose layer an operation follows."""
    below = layer_below(node)
    if below is None:
        return None
    for leaf in below.parameters:
        name = name_of(leaf)
        if name is not None:
            return name.rpartition(".")[0] or name
    return None


def layers(graph: Graph, name_of: Callable[[int], str | None]) -> list[Numbers]:
    """Return the layers in order of execution, with the size of what they were given.

    ``input`` is the root mean square, ``varies`` the spread over the samples of the batch (a
    signal that no longer differs from sample to sample carries nothing), ``linear_from_last``
    says that only linear operations lie between the layer before and this one. Of a narrow layer,
    ``only_way`` says that all paths from the inputs to the loss pass it.
    """
    found = []
    products = [node for node in graph.nodes if node.product and node.parameters]
    for node in products[:_MOST_SITES]:
        names = [name_of(leaf) for leaf in node.parameters]
        entry: Numbers = {
            "operation": node.operation,
            "parameters": [name for name in names if name],
            "shape": list(node.shape or ()),
            "linear_from_last": _linear_from_last(node),
        }
        if node.shape and math.prod(node.shape[1:]) <= _NARROW:
            entry["only_way"] = only_way(graph, node)
        for key in _LAYER_INPUT:
            values = node.saved(key)
            if plain(values) and values.is_floating_point() and values.dim() >= 2:
                seen = few(values, SOME_VALUES).float()
                entry["input"] = float(seen.pow(2).mean().sqrt())
                entry["varies"] = float(seen.std(0, correction=0).pow(2).mean().sqrt())
                entry["input_shape"] = list(values.shape)
                break
        if node.operation == "Convolution":
            weight = node.saved("weight")
            if plain(weight):
                entry["kernel"] = list(weight.shape[2:])
        found.append(entry)
    return found


_LINEAR = {"View", "UnsafeView", "ReshapeAlias", "T", "Transpose", "Permute", "Squeeze"}
_LINEAR |= {"Unsqueeze", "Addmm", "Mm", "Convolution", "Clone", "Mean", "AvgPool2D", "Reshape"}
_LINEAR |= {"Mul", "Expand", "AdaptiveAvgPool2D", "ToCopy"}


def _linear_from_last(node: Node) -> bool:
    """Say whether a layer works on another layer's result with nothing but dropout between.

    Sums are not followed: a residual connection is not a plain stack.
    """
    if not node.product or node.operation not in ("Addmm", "Mm", "Convolution"):
        return False
    following = [item for item in node.inputs if item.name != "TBackward0"]
    for _ in range(8):
        if len(following) != 1:
            return False
        below = following[0]
        if len(below.outputs) != 1:  # something else uses it, too
            return False
        if below.product:
            return below.operation in ("Addmm", "Mm", "Convolution")
        if below.operation not in _LINEAR:
            return False
        if below.operation == "Mul" and len(below.inputs) != 1:
            return False
        following = below.inputs
    return False


def is_linear(graph: Graph) -> bool:
    """Say whether the network contains no non-linear operation at all before the loss."""
    products = [node for node in graph.nodes if node.product and node.parameters]
    if len(products) < 2:
        return False
    last = max(node.order for node in products)
    allowed = _LINEAR | {"Add", "Slice", "Select", "Cat", "ConstantPadNd"}
    return all(node.operation in allowed for node in graph.nodes if node.order <= last)


def batch_norms(graph: Graph, name_of: Callable[[int], str | None]) -> list[Numbers]:
    """Return how far BatchNorm's running statistics are from those of the batch."""
    found = []
    for node in graph.nodes:
        if "BatchNorm" not in node.name or not node.saved("training"):
            continue
        mean, inverse = node.saved("result1"), node.saved("result2")
        running_mean, running_var = node.saved("running_mean"), node.saved("running_var")
        if not all(plain(item) for item in (mean, inverse, running_mean, running_var)):
            continue
        if mean.shape != running_mean.shape or mean.numel() == 0:
            continue
        variance = inverse.float().pow(-2).clamp_min(1e-12)
        shift = (running_mean - mean).float() / variance.sqrt()
        ratio = (running_var.float().clamp_min(1e-12) / variance).log().abs()
        names = [name_of(leaf) for leaf in node.parameters]
        shape = list(node.shape or ())
        found.append(
            {
                "layer": next((n.rpartition(".")[0] for n in names if n), None),
                "shift": float(shift.pow(2).mean().sqrt()),
                "log_ratio": float(ratio.median()),
                "samples": shape[0] if shape else None,
                "values": int(torch.Size(shape).numel() // max(1, mean.numel())) if shape else None,
            }
        )
    return found


_HAZARDS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "Log": ("self", lambda value: value <= 0),
    "Log2": ("self", lambda value: value <= 0),
    "Sqrt": ("result", lambda value: value == 0),
    "Rsqrt": ("result", lambda value: ~torch.isfinite(value)),
    "Div": ("other", lambda value: value == 0),
    "Reciprocal": ("result", lambda value: ~torch.isfinite(value)),
    "Exp": ("result", lambda value: ~torch.isfinite(value)),
    "Acos": ("self", lambda value: value.abs() >= 1),
    "Asin": ("self", lambda value: value.abs() >= 1),
}


def hazards(graph: Graph) -> list[Numbers]:
    """Return operations used where their value or slope is not finite: log(0), x / 0, sqrt(0)'."""
    found = []
    for node in graph.nodes:
        hazard = _HAZARDS.get(node.operation)
        values = node.saved(hazard[0]) if hazard else None
        if hazard is None or not plain(values):
            continue
        bad = int(hazard[1](few(values)).sum())
        if bad:
            found.append({"operation": node.operation.lower(), "values": bad})
    return found


def over_first_axis(graph: Graph) -> list[list[int]]:
    """Return the shapes of softmaxes inside the network that are taken over the first of 3 axes."""
    found = []
    for node in graph.nodes:
        if "Softmax" in node.name and node.shape is not None and len(node.shape) >= 3:
            axis = node.saved("dim")
            if isinstance(axis, int) and axis in (0, (1 << 64) - len(node.shape)):
                found.append(list(node.shape))
    return found


def first_non_finite(graph: Graph, name_of: Callable[[int], str | None]) -> Numbers | None:
    """Return the earliest operation known to have met a value that is not finite."""
    for node in graph.nodes:
        for key in ("input", "mat1", "self", "other", "result"):
            values = node.saved(key)
            known = plain(values) and values.is_floating_point()
            if known and not bool(torch.isfinite(values).all()):
                return {
                    "operation": node.operation.lower(),
                    "layer": _owner(node, name_of),
                    "gave": key == "result",
                }
    return None


def first_input(graph: Graph) -> Tensor | None:
    """Return what the first layer was given, when that has no history: the batch itself."""
    for node in graph.nodes:
        if not node.product:
            continue
        for key in _LAYER_INPUT:
            values = node.saved(key)
            if plain(values) and values.dim() >= 2:
                return None if values.requires_grad else values
    return None
