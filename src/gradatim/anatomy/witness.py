"""A second way to receptive fields: gradients measured on a one-channel, one-axis copy.

The copy does what the network does along one axis, with positive weights, average pooling and no
activation, on an input long enough that no field meets its ends. The positions where the gradient
of one output is not zero are its receptive field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gradatim.anatomy.fields import Reach, Reaches
from gradatim.anatomy.geometry import Sliding, bound, slidings
from gradatim.anatomy.trace import Call, Trace, Value

MOST = 24  # layers measured, spread over the network; each costs one backward pass
_REORDERING = frozenset({"roll", "flip", "rot90", "index_select", "gather", "__getitem__"})
_MIXING = frozenset(
    {"scaled_dot_product_attention", "multi_head_attention_forward", "lstm", "gru", "written"}
    | {"rnn_tanh", "rnn_relu", "__setitem__", "grid_sample", "pixel_shuffle", "pixel_unshuffle"}
)


def measured_fields(
    trace: Trace, source: Value, axis: int, reaches: Reaches
) -> Mapping[Value, tuple[int, int]]:
    """Return the first and last input position with a gradient, for some values.

    Values that no copy along one axis can stand for, such as those behind attention, are left out.
    """
    length = _long_enough(source.shape[axis], reaches)
    if length is None:
        return {}
    start = torch.ones(length, dtype=torch.float64, requires_grad=True)
    signals: dict[Value, Tensor] = {source: start}
    candidates: list[Value] = []
    for call in trace.calls:
        parts = [value for value in call.inputs if value in signals]
        followed = [value for value in call.inputs if value in reaches]
        if not parts or not call.outputs or len(parts) < len(followed):
            continue
        made = _step(call, [(value, signals[value]) for value in parts], reaches)
        for value in call.outputs if made is not None else ():
            reach = reaches.get(value)
            if made is not None and reach is not None and reach.dim is not None:
                signals[value] = made
                # The copy adds what is joined, so it sees all channels of a position together.
                if (slidings(call) or len(parts) > 1) and reach.joint == reach.size:
                    candidates.append(value)
    phases = 1 if all("transpose" not in call.function for call in trace.calls) else 4
    chosen = _chosen(candidates, reaches)
    return {value: _support(signals[value], start, phases) for value in chosen}


def _long_enough(length: int, reaches: Reaches) -> int | None:
    """Return a length at which the centre of every map sees no end.

    It is the true length plus a multiple of every jump, so that all divisions leave the same rest.
    """
    jumps = [reach.jump for reach in reaches.values() if reach.jump is not None]
    common = 1
    for jump in jumps:
        common = math.lcm(common, math.ceil(jump) if jump.denominator == 1 else 1)
    sizes = [reach.size for reach in reaches.values() if reach.dim is not None]
    need = 2 * max(sizes, default=1) + 4 * common
    if need > 100_000:
        return None
    return length + common * max(0, -(-(need - length) // common))


def _step(call: Call, parts: list[tuple[Value, Tensor]], reaches: Reaches) -> Tensor | None:
    """Return the copy's signal after a call, or None when one axis alone cannot tell."""
    if call.function in _MIXING or call.function in _REORDERING:
        return None
    value, signal = parts[0]
    reach = reaches[value]
    along = slidings(call)
    if along:
        if reach.dim is None:
            return None
        index = reach.dim - (len(value.shape) - len(along))
        return _slid(signal, along[index]) if index >= 0 else signal
    if call.function == "pad":
        return _padded(call, signal, reach)
    after = reaches.get(call.outputs[0])
    if after is None or after.dim is None:
        return None
    if any(s.shape != signal.shape for _, s in parts):
        return None
    lengths = {v.shape[reaches[v].dim or 0] for v, _ in parts}
    if lengths != {call.outputs[0].shape[after.dim]}:
        return None
    return torch.stack([s for _, s in parts]).sum(0)


def _slid(signal: Tensor, sliding: Sliding) -> Tensor | None:
    line = signal.reshape(1, 1, -1)
    kernel = torch.full((1, 1, sliding.kernel), 1.0 / sliding.kernel, dtype=torch.float64)
    if sliding.kind == "window":
        before, after = sliding.padding
        reach = sliding.dilation * (sliding.kernel - 1) + 1
        if sliding.ceil_mode:
            short = (signal.numel() + before + after - reach) % sliding.stride
            after += (sliding.stride - short) % sliding.stride
        line = functional.pad(line, (before, after))
        if line.shape[-1] < reach:
            return None
        made = functional.conv1d(line, kernel, stride=sliding.stride, dilation=sliding.dilation)
    elif sliding.kind == "transposed":
        made = functional.conv_transpose1d(
            line,
            kernel,
            stride=sliding.stride,
            padding=sliding.padding[0],
            output_padding=sliding.output_padding,
            dilation=sliding.dilation,
        )
    elif sliding.kind == "adaptive" and sliding.input == sliding.output:
        made = line
    elif sliding.kind == "adaptive" and sliding.input % sliding.output == 0 and sliding.output > 1:
        made = functional.avg_pool1d(line, sliding.input // sliding.output)
    else:
        return None
    return made.reshape(-1)


def _padded(call: Call, signal: Tensor, reach: Reach) -> Tensor | None:
    given = bound(call, ("input", "pad", "mode"))
    amounts, rank = list(given["pad"]), reach.low.ndim
    if (given.get("mode") or "constant") != "constant" or reach.dim is None:
        return None
    index = rank - 1 - reach.dim
    if 2 * index + 1 >= len(amounts):
        return signal
    return functional.pad(signal, (int(amounts[2 * index]), int(amounts[2 * index + 1])))


def _chosen(candidates: list[Value], reaches: Reaches) -> list[Value]:
    """Return the last value of every jump, and others spread evenly."""
    last = {reaches[value].jump: value for value in candidates}
    step = max(1, len(candidates) // max(1, MOST - len(last)))
    spread = candidates[::step]
    return list(dict.fromkeys([*last.values(), *spread]))[: MOST + len(last)]


def _support(signal: Tensor, start: Tensor, phases: int) -> tuple[int, int]:
    """Return the first and last position that the middle of a signal depends on.

    Behind a transposed convolution neighbours see differently much: the widest of them counts.
    """
    middle = signal.numel() // 2
    found: tuple[int, int] | None = None
    for position in range(middle, min(middle + phases, signal.numel())):
        (gradient,) = torch.autograd.grad(signal[position], start, retain_graph=True)
        read = gradient.nonzero().flatten()
        if not len(read):
            continue
        here = (int(read[0]), int(read[-1]))
        if found is None or here[1] - here[0] > found[1] - found[0]:
            found = here
    return found or (0, -1)
