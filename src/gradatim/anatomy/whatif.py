"""What if: the chain of a sequential network with kernels, strides and channels to change.

``chain`` reads the steps of a network without branches from its anatomy, ``compute`` derives every
number of such a chain, and ``fragment`` makes HTML of it whose small script (``whatif.js``) derives
the same numbers again when a value is changed. Impossible values explain themselves. No torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any, Literal

from gradatim.anatomy import sizes
from gradatim.anatomy.parts import Anatomy, Layer
from gradatim.errors import ValueRefusedError

Kind = Literal["conv", "pool", "adaptive", "flatten", "linear", "norm", "same"]


@dataclass(frozen=True)
class Step:
    """One step of a chain. Pairs are (height, width); what a kind does not use keeps its default.

    ``output`` are the channels of a convolution, the features of a linear layer, or 0.
    """

    name: str
    kind: Kind
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    output: int = 0
    groups: int = 1
    bias: bool = False
    ceil_mode: bool = False
    maximum: bool = False
    windows: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Row:
    """The numbers of one step: ``problem`` says why there are none."""

    shape: tuple[int, ...] = ()
    formula: str = ""
    parameters: int = 0
    macs: int = 0
    field: int = 0
    jump: int = 0
    problem: str = ""


def chain(anatomy: Anatomy) -> tuple[Step, ...] | None:
    """Return the steps of a network without branches on one image, or None for any other."""
    if len(anatomy.inputs) != 1 or len(anatomy.inputs[0]) not in (2, 4) or not anatomy.layers:
        return None
    steps = []
    for layer in anatomy.layers:
        step = _step(layer) if layer.inputs == (layer.index - 1,) else None
        if step is None:
            return None
        steps.append(step)
    found = tuple(steps)
    rows = compute(found, anatomy.inputs[0][1:])
    agrees = all(
        row.shape == layer.output_shapes[0][1:]
        and row.parameters == layer.weights.value + layer.biases.value
        for row, layer in zip(rows, anatomy.layers, strict=True)
    )
    return found if agrees else None


def _step(layer: Layer) -> Step | None:
    names = {item.name.rpartition(".")[2] for item in layer.parameters}
    bias = "bias" in names
    made = layer.output_shapes[0]
    if layer.kind in ("convolution", "pooling") and len(layer.axes) == 2:
        if all(axis.kernel is not None for axis in layer.axes):
            return _sliding(layer, bias)
        if layer.kind == "pooling":
            return Step(layer.name, "adaptive", windows=(made[-2], made[-1]))
        return None
    if layer.kind == "linear" and len(made) == 2:
        return Step(layer.name, "linear", output=made[-1], bias=bias)
    if layer.function in ("flatten", "view", "reshape") and len(made) == 2:
        return Step(layer.name, "flatten")
    if layer.kind == "normalisation" and "batch_norm" in layer.function and len(names) == 2:
        return Step(layer.name, "norm")
    if layer.kind in ("activation", "dropout", "normalisation") and not layer.parameters:
        return Step(layer.name, "same")
    return None


def _sliding(layer: Layer, bias: bool) -> Step | None:
    height, width = layer.axes
    if any(axis.padding and axis.padding[0] != axis.padding[1] for axis in layer.axes):
        return None
    if "transpose" in layer.function:
        return None

    def pair(name: str) -> tuple[int, int]:
        return int(getattr(height, name) or 1), int(getattr(width, name) or 1)

    padding = tuple(axis.padding[0] if axis.padding else 0 for axis in layer.axes)
    weight = next((item.shape for item in layer.parameters if len(item.shape) == 4), None)
    if layer.kind == "convolution" and weight is None:
        return None
    return Step(
        layer.name,
        "conv" if weight else "pool",
        pair("kernel"),
        pair("stride"),
        (padding[0], padding[1]),
        pair("dilation"),
        output=weight[0] if weight else 0,
        groups=layer.input_shapes[0][1] // weight[1] if weight else 1,
        bias=bias,
        ceil_mode="ceil_mode=True" in layer.operation,
        maximum="max" in layer.function,
    )


def compute(steps: Sequence[Step], shape: Sequence[int]) -> tuple[Row, ...]:
    """Derive the numbers of a chain; the steps behind an impossible one stay empty.

    Args:
        steps: of the chain.
        shape: of one sample: (channels, height, width) or (features,).
    """
    rows: list[Row] = []
    state = Row(tuple(shape), field=1, jump=1)
    for step in steps:
        if state.problem:
            rows.append(Row(problem="depends on the step above"))
            continue
        try:
            state = _computed(step, state)
        except ValueRefusedError as error:
            state = Row(problem=error.what)
        rows.append(state)
    return tuple(rows)


def _computed(step: Step, before: Row) -> Row:
    shape = before.shape
    kept = replace(before, formula="", parameters=0, macs=0)
    if step.kind == "same":
        return kept
    if step.kind == "norm":
        return replace(kept, parameters=2 * shape[0])
    if step.kind == "flatten":
        return replace(kept, shape=(math.prod(shape),), formula=sizes.product(shape))
    if step.kind == "linear":
        if len(shape) != 1:
            raise ValueRefusedError("a linear layer needs a flat input")
        weights = shape[0] * step.output
        return replace(
            kept,
            shape=(step.output,),
            formula=f"{shape[0]} -> {step.output}",
            parameters=weights + (step.output if step.bias else 0),
            macs=weights,
        )
    if len(shape) != 3:
        raise ValueRefusedError("a map is needed, channels x height x width")
    if step.kind == "adaptive":
        text = f"{shape[1]} -> {step.windows[0]}"
        return replace(kept, shape=(shape[0], *step.windows), formula=text)
    return _slid(step, shape, kept)


def _slid(step: Step, shape: tuple[int, ...], kept: Row) -> Row:
    channels = shape[0]
    if step.maximum and any(2 * p > k for p, k in zip(step.padding, step.kernel, strict=True)):
        raise ValueRefusedError("maximum pooling takes padding up to half its kernel")
    if step.kind == "conv" and (channels % step.groups or step.output % step.groups):
        raise ValueRefusedError(
            f"{step.groups} groups do not divide {channels} and {step.output} channels"
        )
    along = [
        sizes.window(
            shape[1 + axis],
            step.kernel[axis],
            step.stride[axis],
            step.padding[axis],
            step.dilation[axis],
            ceil_mode=step.ceil_mode,
        )
        for axis in (0, 1)
    ]
    places = (along[0].output, along[1].output)
    field = kept.field + step.dilation[0] * (step.kernel[0] - 1) * kept.jump
    made = replace(kept, formula=along[0].derivation, field=field, jump=kept.jump * step.stride[0])
    if step.kind == "pool":
        return replace(made, shape=(channels, *places))
    weights = step.output * channels // step.groups * math.prod(step.kernel)
    return replace(
        made,
        shape=(step.output, *places),
        parameters=weights + (step.output if step.bias else 0),
        macs=weights * math.prod(places),
    )


@cache
def script() -> str:
    """Return the script that recomputes a chain in the page; it is the same for every page."""
    return files("gradatim.anatomy").joinpath("whatif.js").read_text(encoding="utf-8")


STYLE = (
    ".what-if{overflow-x:auto}.what-if table{border-collapse:collapse;width:100%}"
    ".what-if th,.what-if td{padding:.2em .5em;text-align:right;white-space:nowrap}"
    ".what-if th[scope=row],.what-if td.formula{text-align:left}"
    ".what-if input{width:4.2em;font:inherit;text-align:right}"
    ".what-if tr.impossible td.formula{white-space:normal}"
    ".what-if tr.changed th{font-weight:700}"
    ".what-if input[aria-invalid=true]{outline:2px solid #c0392b}"
)
_EDITED: Mapping[str, tuple[str, ...]] = {
    "conv": ("kernel", "stride", "padding", "output"),
    "pool": ("kernel", "stride", "padding"),
    "linear": ("output",),
}
_COLUMNS = ("kernel", "stride", "padding", "output")
_NAMES = {"output": "channels"}


def fragment(anatomy: Anatomy) -> str | None:
    """Return the chain as an HTML element with controls, or None for a network with branches.

    The element holds its steps in ``data-chain``; ``script()`` gives it life. Without the script
    it is a table with the right numbers.
    """
    steps = chain(anatomy)
    if steps is None:
        return None
    shape = anatomy.inputs[0][1:]
    rows = compute(steps, shape)
    shown = [(i, s, r) for i, (s, r) in enumerate(zip(steps, rows, strict=True))]
    shown = [item for item in shown if item[1].kind not in ("same", "norm")]
    data = json.dumps({"shape": list(shape), "steps": [asdict(step) for step in steps]})
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("layer", "kernel", "stride", "padding", "channels", "size", "parameters")
    )
    head += '<th scope="col">MACs</th><th scope="col">field</th><th scope="col">why</th>'
    body = "".join(_html_row(index, step, row) for index, step, row in shown)
    total = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    size = " x ".join(map(str, shape))
    return (
        f'<div class="what-if" data-chain="{escape(data)}"><style>{STYLE}</style>'
        f"<p>Change a value: the chain behind it is computed again, from {size}. "
        f'<button type="button">Back to the network</button></p>'
        f'<p role="status" aria-live="polite"></p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        f'<tfoot><tr><th scope="row">sum</th><td colspan="5"></td>'
        f'<td class="parameters">{total[0]:,}</td><td class="macs">{total[1]:,}</td>'
        f'<td colspan="2"></td></tr></tfoot></table></div>'
    )


def _html_row(index: int, step: Step, row: Row) -> str:
    cells = "".join(_control(index, step, name) for name in _COLUMNS)
    return (
        f'<tr data-step="{index}"><th scope="row">{escape(step.name)}</th>{cells}'
        f'<td class="size">{" x ".join(map(str, row.shape))}</td>'
        f'<td class="parameters">{row.parameters:,}</td><td class="macs">{row.macs:,}</td>'
        f'<td class="field">{row.field if len(row.shape) == 3 else ""}</td>'
        f'<td class="formula">{escape(row.formula)}</td></tr>'
    )


def _control(index: int, step: Step, name: str) -> str:
    if name not in _EDITED.get(step.kind, ()):
        return "<td></td>"
    value: Any = getattr(step, name)
    height, width = value if isinstance(value, tuple) else (value, value)
    if height != width:  # one control changes both axes; a kernel such as 1 x 7 is left as it is
        return f"<td>{height} x {width}</td>"
    least = 0 if name == "padding" else 1
    said = f"{_NAMES.get(name, name)} of {step.name}"
    return (
        f'<td><input type="number" min="{least}" step="1" value="{height}" data-name="{name}" '
        f'aria-label="{escape(said)}"/></td>'
    )
