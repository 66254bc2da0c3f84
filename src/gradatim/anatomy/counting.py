"""Multiplications with addition (MACs) of a call, and the operations that are not counted as such.

Convention: a MAC is one multiplication with its addition in a convolution, a linear layer, a
product of matrices or attention. Bias, normalisation, activation and pooling are not counted; they
are listed beside. FLOPs are twice the MACs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gradatim.anatomy.fields import MOVING, POINTWISE, PRODUCTS, REDUCING, packed
from gradatim.anatomy.geometry import bound, family, groups, is_transposed, slidings
from gradatim.anatomy.trace import Call, Trace, Value

Kind = Literal[
    "convolution",
    "linear",
    "product",
    "attention",
    "recurrent",
    "pooling",
    "normalisation",
    "activation",
    "dropout",
    "merge",
    "lookup",
    "reduction",
    "resize",
    "move",
    "arithmetic",
    "other",
]

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
_NORMS = frozenset(
    {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "normalize"}
    | {"local_response_norm", "native_batch_norm", "_native_batch_norm_legit"}
)
_ACTIVATIONS = frozenset(
    {"relu", "relu_", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu"}
    | {"silu", "mish", "sigmoid", "logsigmoid", "tanh", "softmax", "log_softmax", "softplus"}
    | {"softsign", "hardtanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink", "glu"}
    | {"tanhshrink", "threshold", "softmin", "relu6_", "leaky_relu_", "elu_", "silu_", "tanh_"}
    | {"sigmoid_", "hardtanh_", "hardswish_", "hardsigmoid_", "logsigmoid_", "selu_", "celu_"}
    | {"log_sigmoid"}
)
_CELLS = {"lstm_cell": 4, "gru_cell": 3, "rnn_tanh_cell": 1, "rnn_relu_cell": 1}
_MERGES = frozenset({"add", "add_", "__add__", "__iadd__", "__radd__", "cat", "concat", "stack"})
_LOOKUPS = frozenset({"embedding", "embedding_bag", "one_hot"})
_TRANSPORT = frozenset(
    {"contiguous", "clone", "detach", "to", "float", "half", "double", "type", "type_as", "pad"}
    | {"bfloat16", "cpu", "cuda", "int", "long", "data", "requires_grad_", "alias"}
    | {"_pack_padded_sequence", "_pad_packed_sequence", "masked_fill", "masked_fill_"}
)


def kind(call: Call) -> Kind:
    """Return what sort of work a call is."""
    name = call.function
    windows = family(name)
    if windows in ("conv", "conv_transpose", "convolution"):
        return "convolution"
    if windows in ("max_pool", "avg_pool", "lp_pool", "adaptive"):
        return "pooling"
    table: tuple[tuple[Iterable[str], Kind], ...] = (
        (("interpolate", "upsample", "grid_sample"), "resize"),
        (("linear", "bilinear"), "linear"),
        (("scaled_dot_product_attention", "multi_head_attention_forward"), "attention"),
        ((*GATES, *_CELLS), "recurrent"),
        ((*PRODUCTS, "einsum", "tensordot", "mv", "dot", "addmv"), "product"),
        (_NORMS, "normalisation"),
        (_ACTIVATIONS, "activation"),
        (_LOOKUPS, "lookup"),
        (REDUCING, "reduction"),
    )
    found = next((result for names, result in table if name in names), None)
    if found is not None:
        return found
    if "dropout" in name:
        return "dropout"
    if windows == "interpolate":
        return "resize"
    if name in _MERGES and sum(value.data for value in call.inputs) > 1:
        return "merge"
    if name in MOVING or name in _TRANSPORT or name == "written":
        return "move"
    if call.flops:
        return "product"
    if not any(value.dtype.startswith(("float", "bfloat", "complex")) for value in call.outputs):
        return "move"  # lengths, masks, indices
    return "arithmetic" if call.pointwise or name in POINTWISE else "other"


@dataclass(frozen=True)
class Count:
    """A count with its arithmetic; ``own`` is False when it was read from PyTorch's counter."""

    value: int
    derivation: str
    own: bool = True


def _times(*factors: int | str, of: int) -> str:
    return f"{' * '.join(str(factor) for factor in factors)} = {of:,}"


def _size(lengths: Sequence[int]) -> str:
    return "*".join(str(length) for length in lengths) or "1"


def _value(given: dict[str, object], name: str) -> Value:
    found = given[name]
    if not isinstance(found, Value):
        raise KeyError(name)
    return found


def macs(trace: Trace, call: Call) -> Count:
    """Return the MACs of a call for the whole batch, with their arithmetic."""
    rule = _MACS.get(call.function)
    windows = family(call.function)
    if rule is None and windows in ("conv", "conv_transpose", "convolution"):
        rule = _convolution
    if rule is not None:
        try:
            return rule(trace, call)
        except (KeyError, IndexError, ValueError):
            pass
    if call.flops:
        counted = call.flops // 2
        return Count(counted, f"PyTorch's operators inside: {call.flops:,}/2 = {counted:,}", False)
    return Count(0, "")


def _convolution(trace: Trace, call: Call) -> Count:
    given = bound(call, ("input", "weight"))
    source, weight = _value(given, "input"), _value(given, "weight")
    made = call.outputs[0]
    count = len(slidings(call))
    taps = weight.shape[2:]
    if is_transposed(call):
        places, channels = source.shape[-count:], source.shape[-count - 1]
        per, batch = weight.shape[1], source.shape[: -count - 1]
        each = [per, *taps]
        value = math.prod(batch) * channels * math.prod(places) * math.prod(each)
        return Count(
            value,
            _times(*_batch(batch), _size([*places, channels]), _size(each), of=value)
            + " (each input value meets every tap)",
        )
    places, channels = made.shape[-count:], made.shape[-count - 1]
    batch = made.shape[: -count - 1]
    each = [weight.shape[1], *taps]
    value = math.prod(batch) * channels * math.prod(places) * math.prod(each)
    text = _times(*_batch(batch), _size([*places, channels]), _size(each), of=value)
    split = groups(call)
    if split > 1:
        text += f" (each kernel reads {weight.shape[1]} of {weight.shape[1] * split} channels)"
    return Count(value, text)


def _batch(batch: Sequence[int]) -> list[str]:
    return [_size(batch)] if math.prod(batch) != 1 else []


def _linear(trace: Trace, call: Call) -> Count:
    given = bound(call, ("input", "weight"))
    source, made = _value(given, "input"), call.outputs[0]
    value = made.elements * source.shape[-1]
    rows = made.shape[:-1]
    return Count(value, _times(*_batch(rows), source.shape[-1], made.shape[-1], of=value))


def _bilinear(trace: Trace, call: Call) -> Count:
    """Count one MAC for each weight and row, once the products of the two inputs are made."""
    weight = _value(bound(call, ("input1", "input2", "weight")), "weight")
    rows = call.outputs[0].shape[:-1]
    value = math.prod(rows) * weight.elements
    return Count(value, _times(*_batch(rows), _size(weight.shape), of=value))


def _product(trace: Trace, call: Call) -> Count:
    named = [item for item in call.arguments if isinstance(item, Value)]
    named += [item for item in call.options.values() if isinstance(item, Value)]
    left, right = named[-2], named[-1]
    if call.function == "__rmatmul__":
        left, right = right, left
    inner = left.shape[-1]
    if right.shape[-2 if len(right.shape) > 1 else -1] != inner:
        raise ValueError("not a plain product")
    made = call.outputs[0]
    value = made.elements * inner
    return Count(value, _times(_size(made.shape), inner, of=value))


def _einsum(trace: Trace, call: Call) -> Count:
    """Count a product of two tensors; more of them depend on the order PyTorch chooses."""
    equation = str(call.arguments[0]).replace(" ", "")
    before = equation.partition("->")[0].split(",")
    operands = call.inputs
    if len(operands) != 2 or "." in equation:
        raise ValueError("counted by its operators")
    lengths: dict[str, int] = {}
    for labels, value in zip(before, operands, strict=True):
        for label, length in zip(labels, value.shape, strict=True):
            lengths[label] = max(length, lengths.get(label, 1))
    total = math.prod(lengths.values())
    if call.flops != 2 * total:
        raise ValueError("counted by its operators")
    text = _times(*(f"{length}" for length in lengths.values()), of=total)
    return Count(total, f"{text} (one for each of {', '.join(lengths)})")


def _attention(trace: Trace, call: Call) -> Count:
    given = bound(call, ("query", "key", "value"))
    query, key, content = (_value(given, name) for name in ("query", "key", "value"))
    heads, steps, width = query.shape[:-2], query.shape[-2], query.shape[-1]
    scores = math.prod(heads) * steps * key.shape[-2] * width
    mixing = math.prod(heads) * steps * key.shape[-2] * content.shape[-1]
    return Count(
        scores + mixing,
        f"scores {_times(_size(heads), steps, key.shape[-2], width, of=scores)}; "
        f"weighted sum {_times(_size(heads), steps, key.shape[-2], content.shape[-1], of=mixing)}",
    )


def _multi_head(trace: Trace, call: Call) -> Count:
    query, key, content = (_value({"": item}, "") for item in call.arguments[:3])
    steps, batch = query.shape[0], query.shape[1] if len(query.shape) == 3 else 1
    others, width = key.shape[0], query.shape[-1]
    lines = (
        ("queries", (steps, batch, width, width)),
        ("keys", (others, batch, key.shape[-1], width)),
        ("values", (others, batch, content.shape[-1], width)),
        ("scores", (batch, steps, others, width)),
        ("weighted sum", (batch, steps, others, width)),
        ("output", (steps, batch, width, width)),
    )
    total = sum(math.prod(factors) for _, factors in lines)
    if call.flops and call.flops != 2 * total:
        raise ValueError("extra tokens or other variants: counted by the operators")
    text = "; ".join(f"{name} {_times(*factors, of=math.prod(factors))}" for name, factors in lines)
    return Count(total, text)


def _recurrent(trace: Trace, call: Call) -> Count:
    """Each step multiplies the input and the state by the weights of every gate."""
    source = _value({"": call.arguments[0]}, "")
    steps = source.shape[0] if packed(call) else math.prod(source.shape[:-1])
    listed = next(item for item in call.arguments if isinstance(item, list))
    weights = [value for value in listed if len(value.shape) == 2]
    per_step = sum(value.elements for value in weights)
    total = steps * per_step
    gates = GATES[call.function]
    shapes = " + ".join(_size(weight.shape) for weight in weights[:4])
    more = " + ..." if len(weights) > 4 else ""
    return Count(
        total,
        f"{steps} * ({shapes}{more}) = {steps} * {per_step:,} = {total:,} "
        f"({gates} gate{'s' if gates > 1 else ''}, every step)",
    )


def _cell(trace: Trace, call: Call) -> Count:
    source, weights = call.inputs[0], [value for value in call.inputs[-4:] if not value.data]
    weights = [value for value in weights if len(value.shape) == 2][-2:]
    batch = math.prod(source.shape[:-1])
    total = batch * sum(value.elements for value in weights)
    shapes = " + ".join(_size(weight.shape) for weight in weights)
    return Count(total, f"{batch} * ({shapes}) = {total:,}")


_MACS: dict[str, Callable[[Trace, Call], Count]] = {
    "linear": _linear,
    "bilinear": _bilinear,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    **dict.fromkeys(("matmul", "__matmul__", "__rmatmul__", "bmm", "mm", "mv", "dot"), _product),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _product),
    **dict.fromkeys(GATES, _recurrent),
    **dict.fromkeys(_CELLS, _cell),
}


@dataclass(frozen=True)
class Extra:
    """Operations that the convention leaves out: what they are and how many."""

    what: Literal["bias", "normalisation", "activation", "pooling", "merge", "other"]
    value: int
    derivation: str


def extras(call: Call) -> tuple[Extra, ...]:
    """Return the operations of a call that are not MACs, by a plain rule for each kind.

    One addition for each output with a bias; two operations for each value that is normalised
    (scale and shift with fixed statistics); one for each value of an activation or a merge; one for
    each value a pooling window reads.
    """
    sort = kind(call)
    if not call.outputs:
        return ()
    made = call.outputs[0]
    values = made.elements
    shape = _size(made.shape)
    if sort in ("convolution", "linear"):
        bias = bound(call, ("input", "weight", "bias")).get("bias")
        if not isinstance(bias, Value):
            return ()
        return (Extra("bias", values, f"one addition for each output: {shape} = {values:,}"),)
    if sort == "normalisation":
        return (Extra("normalisation", 2 * values, f"scale and shift: 2*{shape} = {2 * values:,}"),)
    if sort == "activation":
        return (Extra("activation", values, f"one for each value: {shape} = {values:,}"),)
    if sort == "pooling":
        taps = _pooled(call)
        return (
            Extra(
                "pooling",
                taps * values,
                f"{taps} values read for each output: {shape}*{taps} = {taps * values:,}",
            ),
        )
    if sort == "merge" and "add" in call.function:
        return (Extra("merge", values, f"one addition for each value: {shape} = {values:,}"),)
    return ()


def _pooled(call: Call) -> int:
    taps = 1
    for sliding in slidings(call):
        taps *= (
            -(-sliding.input // sliding.output) if sliding.kind == "adaptive" else sliding.kernel
        )
    return taps
