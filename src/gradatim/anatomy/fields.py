"""Receptive fields: which input positions can reach which output positions.

For every tensor and every axis of the input two whole numbers are known at each position: the first
and the last input position it depends on. They are carried from call to call. A window takes the
smallest first and the largest last of its taps (with start s and jump j of the input this gives
the known rule: size += (k - 1) j, start -= p j, jump *= stride); a merge takes the union; a
function that only moves content, such as a permutation or a split into windows, is applied to the
positions themselves. Padding is read as if the input went on beyond its ends, so that the numbers
are those of theory; clipped to the input they are the positions really read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import torch

from gradatim.anatomy import sizes
from gradatim.anatomy.geometry import Sliding, bound, groups, slidings
from gradatim.anatomy.structure import replaced, tensors
from gradatim.anatomy.trace import Call, Trace, Value

Array = np.ndarray[Any, np.dtype[np.int64]]
NOWHERE = 1 << 40  # first of a place that depends on no input (a class token); its last: -NOWHERE


@dataclass(frozen=True)
class Reach:
    """What one tensor depends on along one input axis.

    Attributes:
        low, high: first and last input position, arrays that broadcast over the tensor.
        jump: input positions per step of the tensor along ``dim``; None when not even.
        dim: the dimension of the tensor along which the field moves; None when it does not.
        status: ``exact``, or ``bound`` when the true field may be smaller or is understated.
        why: one sentence about what is special.
    """

    low: Array
    high: Array
    jump: Fraction | None
    dim: int | None
    status: Literal["exact", "bound"] = "exact"
    why: str = ""

    @property
    def size(self) -> int:
        """The largest number of input positions one position depends on."""
        return max(int((self.high - self.low).max()) + 1, 0)

    @property
    def joint(self) -> int:
        """The same of all values at one position together: more where branches are joined."""
        others = tuple(dim for dim in range(self.low.ndim) if dim != self.dim)
        low, high = self.low.min(axis=others), self.high.max(axis=others)
        return max(int((high - low).max()) + 1, 0)

    @property
    def start(self) -> int:
        """The first input position that the first position depends on; negative in the padding."""
        return int(self.low.min())

    @property
    def moves(self) -> bool:
        """Whether different positions depend on different parts of the input."""
        return self.dim is not None or self.low.size > 1 or self.high.size > 1

    @property
    def end(self) -> int:
        """The last input position that the last position depends on."""
        return int(self.high.max())

    def covers(self, length: int) -> bool:
        """Whether every position depends on the whole input."""
        nowhere = self.low > NOWHERE // 2
        low = (self.low <= 0) | nowhere
        return bool(low.all() and ((self.high >= length - 1) | (self.high < -NOWHERE // 2)).all())


Reaches = dict[Value, Reach]


def axes_of(trace: Trace) -> tuple[Value | None, tuple[int, ...]]:
    """Return the input whose positions are followed, and its dimensions that are places.

    The last axes of an image or volume; the steps of a sequence. A single vector has none.
    """
    for value in trace.inputs:
        rank = len(value.shape)
        if rank >= 4:
            return value, tuple(range(2, rank))
        if rank == 3:
            return value, (_sequence_axis(trace, value),)
        if rank == 2 and not value.dtype.startswith(("float", "bfloat", "complex")):
            return value, (1,)
    return (trace.inputs[0] if trace.inputs else None), ()


def _sequence_axis(trace: Trace, value: Value) -> int:
    """Return which axis of a three-dimensional input is the time: it depends on who reads it."""
    for call in trace.calls:
        if call.function in ("conv1d", "max_pool1d", "avg_pool1d", "adaptive_avg_pool1d"):
            reach = follow(trace, value, 2).get(call.inputs[0])
            return 1 if reach is None or reach.dim != reach.low.ndim - 1 else 2
        if call.function in _RECURRENT and value in call.inputs:
            return 1 if _batch_first(call) else 0
    return 1


def follow(trace: Trace, source: Value, axis: int) -> Reaches:
    """Return the reach of every value along one axis of one input."""
    positions = np.arange(source.shape[axis], dtype=np.int64)
    shape = [1] * len(source.shape)
    shape[axis] = -1
    start = positions.reshape(shape)
    reaches: Reaches = {source: Reach(start, start, Fraction(1), axis)}
    for call in trace.calls:
        known = {value: reaches[value] for value in call.inputs if value in reaches}
        if known and call.data:
            for value, reach in zip(call.outputs, _step(trace, call, known), strict=False):
                reaches[value] = reach if value.elements else _nothing(len(value.shape))
    return reaches


def _nothing(rank: int) -> Reach:
    """Return the reach of a tensor without values, as of boxes when none is found."""
    low = np.full((1,) * rank, NOWHERE, dtype=np.int64)
    return Reach(low, -low, None, None, why="there is no value: nothing is read")


def _step(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    rule = _rule(call)
    try:
        found = rule(trace, call, known)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, NotImplementedError):
        found = _anything(trace, call, known)
    return found


# -- helpers ---------------------------------------------------------------------------------


def _compact(array: Array) -> Array:
    """Shorten every dimension along which nothing changes to length 1."""
    for dim in range(array.ndim):
        if array.shape[dim] > 1:
            first = array.take([0], axis=dim)
            if (array == first).all():
                array = first
    return array


def _reduced(reach: Reach, dims: Sequence[int]) -> tuple[Array, Array]:
    """Return the union over some dimensions, which keep length 1."""
    which = tuple(dims)
    return reach.low.min(axis=which, keepdims=True), reach.high.max(axis=which, keepdims=True)


def _still(reach: Reach, dims: Sequence[int]) -> Reach:
    """Return a reach that mixes some dimensions."""
    rank = reach.low.ndim
    which = {dim % rank for dim in dims}
    low, high = _reduced(reach, tuple(which))
    moves = reach.dim is not None and reach.dim not in which
    return replace(
        reach,
        low=low,
        high=high,
        dim=reach.dim if moves else None,
        jump=reach.jump if moves else None,
    )


def _padded_rank(reach: Reach, rank: int) -> Reach:
    """Return a reach with leading dimensions of length 1, as broadcasting adds them."""
    missing = rank - reach.low.ndim
    if missing <= 0:
        return reach
    shape = (1,) * missing + reach.low.shape
    high_shape = (1,) * missing + reach.high.shape
    dim = None if reach.dim is None else reach.dim + missing
    return replace(
        reach, low=reach.low.reshape(shape), high=reach.high.reshape(high_shape), dim=dim
    )


def _union(reaches: Sequence[Reach], rank: int) -> Reach:
    """Return the smallest start and the largest end of several reaches, broadcast together."""
    items = [_padded_rank(reach, rank) for reach in reaches]
    low, high = items[0].low, items[0].high
    for item in items[1:]:
        low, high = np.minimum(low, item.low), np.maximum(high, item.high)
    moving = [item for item in items if item.dim is not None]
    steps = {(item.dim, item.jump) for item in moving}
    status: Literal["exact", "bound"] = (
        "bound" if any(item.status == "bound" for item in items) else "exact"
    )
    why = next((item.why for item in items if item.why), "")
    dim, jump = next(iter(steps)) if len(steps) == 1 else (None, None)
    if len(steps) > 1:
        dims = {item.dim for item in moving}
        dim = dims.pop() if len(dims) == 1 else None
        why = _misaligned({item.jump for item in moving}) or why
    return Reach(low, high, jump, dim, status, why)


def _misaligned(jumps: Collection[Fraction | None]) -> str:
    """Say that branches meet whose steps through the input differ; empty when they do not."""
    even = sorted(jump for jump in jumps if jump is not None)
    if len(even) < 2:
        return ""
    return f"misaligned: branches with jumps {' and '.join(map(str, even))} meet"


def _everything(reaches: Sequence[Reach], rank: int, why: str) -> Reach:
    """Return the union over all positions: what a function can at most depend on."""
    shape = (1,) * rank
    low = min(int(reach.low.min()) for reach in reaches)
    high = max(int(reach.high.max()) for reach in reaches)
    return Reach(
        np.full(shape, low, dtype=np.int64),
        np.full(shape, high, dtype=np.int64),
        None,
        None,
        "bound" if why else "exact",
        why,
    )


# -- rules: (trace, call, reaches of its inputs) -> reaches of its outputs -----------------------

Rule = Callable[[Trace, Call, Reaches], list[Reach]]


def _anything(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    reaches = list(known.values())
    what = "a change through a view" if call.function == "written" else call.function
    why = f"{what} may read any position"
    if all(reach.dim is None and reach.low.size == 1 for reach in reaches):
        why = next((reach.why for reach in reaches), "")
    return [_everything(reaches, len(value.shape), why) for value in call.outputs]


def _pointwise(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    return [_union(list(known.values()), len(value.shape)) for value in call.outputs]


def _moved(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Apply a function that moves content to the positions themselves.

    Positions are shifted so that none is 0: a 0 that appears is padding, which depends on nothing.
    """
    if all(reach.low.size == 1 for reach in known.values()) and len(known) == 1:
        reach = next(iter(known.values()))
        return [
            Reach(
                np.full((1,) * len(value.shape), reach.low.item(), dtype=np.int64),
                np.full((1,) * len(value.shape), reach.high.item(), dtype=np.int64),
                reach.jump,
                None,
                reach.status,
                reach.why,
            )
            for value in call.outputs
        ]
    lows = _replayed(trace, call, known, "low")
    highs = _replayed(trace, call, known, "high")
    status: Literal["exact", "bound"] = (
        "bound" if any(reach.status == "bound" for reach in known.values()) else "exact"
    )
    before = [reach for reach in known.values() if reach.dim is not None]
    jumps = {reach.jump for reach in before}
    why = next((reach.why for reach in known.values() if reach.why), "")
    why = _misaligned(jumps) or why
    made = []
    for low, high in zip(map(_compact, lows), map(_compact, highs), strict=True):
        dim, jump = _direction(low)
        if dim is None and len(jumps) == 1 and len(before) == 1:
            dim = _kept_dim(call, before[0])
            jump = before[0].jump if dim is not None else None
        made.append(Reach(low, high, jump, dim, status, why))
    return made


def _replayed(trace: Trace, call: Call, known: Reaches, which: str) -> list[Array]:
    shift = 1 << 30
    nowhere = NOWHERE if which == "low" else -NOWHERE

    def content(value: Value) -> Any:
        reach = known.get(value)
        if reach is not None:
            array = getattr(reach, which)
            array = np.where(abs(array) > NOWHERE // 2, -shift, array) + shift
            full = np.broadcast_to(array, value.shape)
            return torch.from_numpy(np.ascontiguousarray(full, dtype=np.float64))
        if value.dtype.startswith(("float", "bfloat")):
            return torch.zeros(value.shape, dtype=torch.float64)
        real = trace.evaluate(value)
        if real is None:
            raise ValueError("the content of an index is not known")
        return real

    if sum(value.elements for value in call.inputs) > 40_000_000:
        raise ValueError("too large to follow every position")
    arguments, options = replaced((call.arguments, dict(call.options)), Value, content)
    result = call.run(*arguments, **options)
    if call.function == "__setitem__":
        result = arguments[0]
    arrays = []
    for tensor in tensors(result):
        array = tensor.double().numpy().astype(np.int64)
        arrays.append(np.where(array == 0, nowhere, array - shift))
    return arrays


def _direction(low: Array) -> tuple[int | None, Fraction | None]:
    """Return the only dimension along which a field moves in even steps, with the step.

    Steps that are not even (windows) give the dimension alone.
    """
    known = low < NOWHERE // 2
    moving = [dim for dim in range(low.ndim) if low.shape[dim] > 1]
    even = []
    for dim in moving:
        steps = np.diff(low, axis=dim)
        after = [slice(None)] * low.ndim
        after[dim] = slice(1, None)
        before = [slice(None)] * low.ndim
        before[dim] = slice(None, -1)
        steps = steps[known[tuple(after)] & known[tuple(before)]]
        if steps.size and (steps == steps[0]).all() and steps[0] > 0:
            even.append((dim, Fraction(int(steps[0]))))
    if len(even) == 1:
        return even[0]
    return (moving[0], None) if len(moving) == 1 else (None, None)


def _kept_dim(call: Call, reach: Reach) -> int | None:
    """Return the moving dimension of a map of one position after a change of its axes, if kept."""
    same = call.outputs[0].shape == call.inputs[0].shape
    return reach.dim if same else None


def _windows(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Slide windows over the last dimensions; a convolution also joins the channels."""
    along = slidings(call)
    reach = known[bound(call, ("input",))["input"]]
    rank = reach.low.ndim
    if "conv" in call.function:
        reach = _channels_joined(reach, rank - len(along) - 1, groups(call), call)
    for index, sliding in enumerate(along):
        reach = _slid(reach, rank - len(along) + index, sliding)
    return [reach for _ in call.outputs]


def _channels_joined(reach: Reach, dim: int, count: int, call: Call) -> Reach:
    if reach.low.shape[dim] == 1 and reach.high.shape[dim] == 1:
        return reach
    if count == 1:
        return replace(
            reach,
            low=reach.low.min(axis=dim, keepdims=True),
            high=reach.high.max(axis=dim, keepdims=True),
        )
    made = call.outputs[0].shape[dim]

    def joined(array: Array, union: Callable[..., Array], channels: int) -> Array:
        shape = list(array.shape)
        shape[dim] = channels
        full = np.broadcast_to(array, shape)
        shape[dim : dim + 1] = [count, channels // count]
        grouped = union(full.reshape(shape), axis=dim + 1)
        return _compact(np.repeat(grouped, made // count, axis=dim))

    channels = call.inputs[0].shape[dim]
    return replace(
        reach,
        low=joined(reach.low, np.min, channels),
        high=joined(reach.high, np.max, channels),
    )


def _slid(reach: Reach, dim: int, sliding: Sliding) -> Reach:
    """Return a reach after one axis of windows."""
    moves = reach.dim == dim
    if not moves and reach.low.shape[dim] == 1 and reach.high.shape[dim] == 1:
        return reach
    length = sliding.input
    low = _along(reach.low, dim, length)
    high = _along(reach.high, dim, length)
    first, last, jump = _taps(sliding)
    step = reach.jump if moves else None
    low = _extended(low, dim, first, step, np.minimum, math.floor)
    high = _extended(high, dim, last, step, np.maximum, math.ceil)
    even = reach.jump is not None and jump is not None
    gone = sliding.kind == "adaptive" and sliding.output == 1
    return replace(
        reach,
        low=low,
        high=high,
        dim=None if gone else reach.dim,
        jump=None if gone or not even else reach.jump * jump,  # type: ignore[operator]
        why=reach.why,
    )


def _along(array: Array, dim: int, length: int) -> Array:
    shape = list(array.shape)
    shape[dim] = length
    return np.broadcast_to(array, shape)


def _taps(sliding: Sliding) -> tuple[list[int], list[int], Fraction | None]:
    """Return the first and last tap of every window, and by how much the jump grows."""
    count, length = sliding.output, sliding.input
    if sliding.kind == "window":
        firsts = [i * sliding.stride - sliding.padding[0] for i in range(count)]
        reach = sliding.dilation * (sliding.kernel - 1)
        return firsts, [first + reach for first in firsts], Fraction(sliding.stride)
    if sliding.kind == "transposed":
        spread = sliding.dilation * (sliding.kernel - 1)
        lasts = [(i + sliding.padding[0]) // sliding.stride for i in range(count)]
        firsts = [-((spread - i - sliding.padding[0]) // sliding.stride) for i in range(count)]
        return (
            [min(a, b) for a, b in zip(firsts, lasts, strict=True)],
            lasts,
            Fraction(1, sliding.stride),
        )
    if sliding.kind == "adaptive":
        windows = sizes.adaptive_windows(length, count)
        jump = Fraction(length, count) if length % count == 0 else None
        return [a for a, _ in windows], [b - 1 for _, b in windows], jump
    ratio = Fraction(length, count)
    if not sliding.smooth:
        at = [math.floor(i * ratio) for i in range(count)]
        return at, at, ratio
    near = [(Fraction(2 * i + 1, 2) * ratio - Fraction(1, 2)) for i in range(count)]
    return (
        [max(0, math.floor(x)) for x in near],
        [min(length - 1, math.ceil(x)) for x in near],
        ratio,
    )


def _extended(
    array: Array,
    dim: int,
    taps: list[int],
    step: Fraction | None,
    union: Callable[[Array, Array], Array],
    rounded: Callable[[Fraction], int],
) -> Array:
    """Read an array at taps, some of them beyond its ends, where it goes on in even steps."""
    length = array.shape[dim]
    inside = np.clip(taps, 0, length - 1)
    beyond = np.asarray(taps) - inside
    shape = [1] * array.ndim
    shape[dim] = -1
    found = array.take(inside, axis=dim)
    if step is not None and beyond.any():
        extra = np.asarray([rounded(int(b) * step) for b in beyond], dtype=np.int64)
        found = found + extra.reshape(shape)
    return found


def _padding(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Pad: along the moving axis the input goes on beyond its ends."""
    reach = next(iter(known.values()))
    amounts = [int(n) for n in bound(call, ("input", "pad"))["pad"]]
    rank = reach.low.ndim
    mode = bound(call, ("input", "pad", "mode")).get("mode") or "constant"
    for index in range(len(amounts) // 2):
        dim = rank - 1 - index
        before, after = amounts[2 * index], amounts[2 * index + 1]
        length = call.inputs[0].shape[dim]
        sliding = Sliding("window", length, length + before + after, padding=(before, after))
        reach = _slid(reach, dim, sliding)
    if mode != "constant":
        reach = replace(reach, why=f"at the edges {mode} padding repeats positions of the input")
    return [reach for _ in call.outputs]


def _dims(call: Call, default: Any = None) -> list[int] | None:
    """Return the dimensions that a reduction or a mixing is told, or None for all."""
    given = call.options.get("dim", call.options.get("axis"))
    if given is None and len(call.arguments) > 1 and not isinstance(call.arguments[1], Value):
        given = call.arguments[1]
        if isinstance(given, float) or given is True or given is False:
            given = None
    given = default if given is None else given
    if given is None:
        return None
    return [int(n) for n in given] if isinstance(given, tuple | list) else [int(given)]


def _reduction(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    if len(known) > 1:  # torch.maximum and its like compare two tensors
        return _pointwise(trace, call, known)
    value, reach = next(iter(known.items()))
    rank = len(value.shape)
    dims = _dims(call)
    which = list(range(rank)) if dims is None or not dims else [dim % rank for dim in dims]
    mixed = _still(reach, which)
    made = []
    for output in call.outputs:
        if len(output.shape) == rank:
            made.append(mixed)
            continue
        low = mixed.low.squeeze(axis=tuple(which))
        high = mixed.high.squeeze(axis=tuple(which))
        dim = mixed.dim
        if dim is not None:
            dim -= sum(gone < dim for gone in which)
        made.append(replace(mixed, low=low, high=high, dim=dim))
    return made


def _mixing(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Mix one dimension and keep its length, as softmax does."""
    reach = next(iter(known.values()))
    dims = _dims(call, default=-1)
    return [_still(reach, dims or [-1]) for _ in call.outputs]


def _linear(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    return [_still(next(iter(known.values())), [-1]) for _ in call.outputs]


def _normalised(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Normalise: statistics over places are not counted, or every field would be everything."""
    reach = next(iter(known.values()))
    rank = reach.low.ndim
    if call.function in ("layer_norm", "rms_norm"):
        shape = bound(call, ("input", "normalized_shape"))["normalized_shape"]
        mixed = set(range(rank - len(list(shape)), rank))
    else:
        mixed = set(range(1, rank))
    moving = {dim for dim in mixed if reach.low.shape[dim] > 1 or reach.dim == dim}
    places = {reach.dim} if reach.dim is not None else moving
    still = _still(reach, sorted(mixed - places))
    if moving & places:
        why = "statistics of the normalisation reach over the whole map and are not counted"
        still = replace(still, status="bound", why=why)
    return [still for _ in call.outputs]


def _product(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Multiply matrices: each output reads one row of the left and one column of the right."""
    named: list[Value] = [item for item in call.arguments if isinstance(item, Value)]
    left, right = named[-2], named[-1]
    if call.function == "__rmatmul__":
        left, right = right, left
    made = call.outputs[0]
    if min(len(left.shape), len(right.shape)) < 2:
        return _anything(trace, call, known)
    parts = []
    if left in known:
        parts.append(_still(known[left], [-1]))
    if right in known:
        parts.append(_still(known[right], [-2]))
    parts += [known[value] for value in named[:-2] if value in known]
    return [_union(parts, len(made.shape))]


def _einsum(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    equation = str(call.arguments[0]).replace(" ", "")
    operands = list(call.inputs)
    before, _, after = equation.partition("->")
    terms = before.split(",")
    if "." in equation or "->" not in equation or len(terms) != len(operands):
        return _anything(trace, call, known)
    parts = []
    for labels, value in zip(terms, operands, strict=True):
        if value not in known:
            continue
        reach = known[value]
        gone = [i for i, label in enumerate(labels) if label not in after]
        reach = _still(reach, gone) if gone else reach
        kept = [label for label in after if label in labels]
        order = [labels.index(label) for label in kept] + gone
        low = reach.low.transpose(order).reshape(-1)
        high = reach.high.transpose(order).reshape(-1)
        shape_low = [
            reach.low.shape[labels.index(label)] if label in labels else 1 for label in after
        ]
        shape_high = [
            reach.high.shape[labels.index(label)] if label in labels else 1 for label in after
        ]
        dim = None if reach.dim is None else after.index(labels[reach.dim])
        parts.append(
            replace(reach, low=low.reshape(shape_low), high=high.reshape(shape_high), dim=dim)
        )
    return [_union(parts, len(after))]


def _attention(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    given = bound(call, ("query", "key", "value", "attn_mask"))
    query, key, content = given["query"], given["key"], given["value"]
    parts = []
    if query in known:
        parts.append(_still(known[query], [-1]))
    if key in known:
        parts.append(_still(known[key], [-2, -1]))
    if content in known:
        parts.append(_still(known[content], [-2]))
    reach = _union(parts, len(call.outputs[0].shape))
    if given.get("is_causal"):
        reach = replace(reach, status="bound", why="the causal mask leaves later positions out")
    return [reach]


def _multi_head(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    query, key, content = call.arguments[:3]
    parts = [_still(known[query], [-1])] if query in known else []
    parts += [_still(known[value], [0, -1]) for value in (key, content) if value in known]
    first = _union(parts, len(call.outputs[0].shape))
    rest = [_everything(parts, len(value.shape), "") for value in call.outputs[1:]]
    return [first, *rest]


_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})


def _batch_first(call: Call) -> bool:
    """Return whether the batch comes first: the last flag of a recurrent call."""
    flags = [item for item in call.arguments if isinstance(item, bool)]
    return bool(flags and flags[-1]) and not packed(call)


def packed(call: Call) -> bool:
    """Whether the call works on a packed sequence: its second argument holds the batch sizes."""
    second = call.arguments[1] if len(call.arguments) > 1 else None
    return isinstance(second, Value) and second.dtype == "int64" and len(second.shape) == 1


def _recurrent(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    value = call.arguments[0]
    if value not in known or packed(call):
        return _anything(trace, call, known)
    reach = _still(known[value], [-1])
    time = (1 if _batch_first(call) else 0) if len(value.shape) == 3 else 0
    flags = [item for item in call.arguments if isinstance(item, bool)]
    bidirectional = flags[-2] if len(flags) >= 2 else False
    if reach.low.shape[time] == 1 or bidirectional:
        first = _still(reach, [time])
    else:
        low = np.minimum.accumulate(reach.low, axis=time)
        high = np.maximum.accumulate(reach.high, axis=time)
        why = "step t sees the steps up to t: the field grows along the sequence"
        first = replace(reach, low=low, high=high, why=why)
    rest = [_everything([reach], len(item.shape), "") for item in call.outputs[1:]]
    return [first, *rest]


def _written(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Change a tensor through a view.

    A value changed by itself alone depends on what it did before; beyond that, a view of another
    shape may have changed any position.
    """
    old, new = call.arguments
    maker = trace.calls[new.maker]
    alone = sum(value.data for value in maker.inputs) == 1
    if alone and old in known and _rule(maker) is _pointwise:
        return [known[old]]
    if old.shape != new.shape:
        return _anything(trace, call, known)
    return _pointwise(trace, call, known)


def _indexed(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Pick by indices: where they are known the positions are followed, else any may be read."""
    try:
        return _moved(trace, call, known)
    except ValueError:
        given = bound(call, ("input", "dim"))
        return [_still(known[given["input"]], [int(given["dim"])]) for _ in call.outputs]


def _lookup(trace: Trace, call: Call, known: Reaches) -> list[Reach]:
    """Look up vectors: the output has one more dimension than the indices."""
    indices = bound(call, ("input", "weight"))["input"]
    if indices not in known:
        return _anything(trace, call, known)
    reach = known[indices]
    return [replace(reach, low=reach.low[..., None], high=reach.high[..., None])]


MOVING = frozenset(
    {"reshape", "view", "flatten", "unflatten", "ravel", "permute", "transpose", "t", "T", "mT"}
    | {"H", "mH", "swapaxes", "swapdims", "movedim", "moveaxis", "squeeze", "unsqueeze", "expand"}
    | {"expand_as", "broadcast_to", "chunk", "split", "tensor_split", "split_with_sizes", "unbind"}
    | {"__getitem__", "select", "narrow", "roll", "flip", "fliplr", "flipud", "repeat", "tile"}
    | {"repeat_interleave", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "unfold"}
    | {"index_select", "gather", "take_along_dim", "diagonal", "tril", "triu", "rot90", "im2col"}
    | {"view_as", "reshape_as", "cat", "concat", "concatenate", "stack", "hstack", "vstack"}
    | {"dstack", "column_stack", "atleast_2d", "atleast_3d", "unsafe_chunk", "unsafe_split"}
    | {"__setitem__", "_unsafe_view", "slice", "as_strided", "broadcast_tensors", "hsplit"}
    | {"vsplit", "dsplit", "squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_"}
    | {"native_channel_shuffle", "alias", "detach_", "unflatten", "view_as_real"}
)
POINTWISE = frozenset(
    {"dropout", "dropout1d", "dropout2d", "dropout3d", "dropout_", "alpha_dropout", "bernoulli"}
    | {"feature_dropout", "feature_alpha_dropout", "to", "float", "half", "double", "bfloat16"}
    | {"type", "type_as", "contiguous", "clone", "detach", "cpu", "cuda", "requires_grad_"}
    | {"prelu", "rrelu", "masked_fill", "masked_fill_", "where", "batch_norm", "gumbel", "data"}
    | {"real", "imag", "local_response_norm", "relu", "gelu", "silu", "hardswish", "hardsigmoid"}
    | {"add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "__iadd__", "__imul__"}
    | {"__isub__", "__itruediv__", "clamp_", "fill_", "zero_", "copy_", "neg_", "pow_"}
    | {"__copy__", "checkpoint", "native_batch_norm", "_native_batch_norm_legit", "int", "long"}
)
REDUCING = frozenset(
    {"mean", "sum", "amax", "amin", "max", "min", "var", "std", "prod", "norm", "logsumexp"}
    | {"any", "all", "median", "argmax", "argmin", "aminmax", "var_mean", "std_mean", "nanmean"}
    | {"nansum", "vector_norm", "linalg_vector_norm", "count_nonzero", "mode", "quantile"}
)
MIXING = frozenset(
    {"softmax", "log_softmax", "softmin", "cumsum", "cumprod", "sort", "argsort", "normalize"}
    | {"_softmax", "_log_softmax", "gumbel_softmax", "flash", "cummax", "logcumsumexp", "renorm"}
)
PRODUCTS = frozenset({"matmul", "__matmul__", "__rmatmul__", "bmm", "mm", "baddbmm", "addmm"})


def _rule(call: Call) -> Rule:
    name = call.function
    if slidings(call):
        return _windows
    if name in _RULES:
        return _RULES[name]
    for names, rule in (
        (MOVING, _moved),
        (REDUCING, _reduction),
        (MIXING, _mixing),
        (PRODUCTS, _product),
        (_RECURRENT, _recurrent),
        (POINTWISE, _pointwise),
    ):
        if name in names:
            return rule
    return _pointwise if call.pointwise else _anything


_RULES: dict[str, Rule] = {
    "pad": _padding,
    "linear": _linear,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "embedding": _lookup,
    "one_hot": _lookup,
    "index_select": _indexed,
    "written": _written,
    "layer_norm": _normalised,
    "rms_norm": _normalised,
    "group_norm": _normalised,
    "instance_norm": _normalised,
}
