"""The derivation of one layer's numbers as lines of arithmetic. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from gradatim.anatomy.parts import Anatomy, Axis, Field, Layer

Line = tuple[str, str]


def lines(anatomy: Anatomy, layer: Layer) -> tuple[Line, ...]:
    """Return pairs (what, formula) for everything a layer's numbers come from."""
    return tuple(_lines(anatomy, layer))


def _lines(anatomy: Anatomy, layer: Layer) -> Iterator[Line]:
    yield from _sizes(layer)
    if layer.weights.value:
        yield "weights", layer.weights.derivation
    if layer.biases.value:
        yield "biases", layer.biases.derivation
    if layer.macs.value:
        yield "MACs", layer.macs.derivation
        yield "FLOPs", layer.flops.derivation
    for extra in layer.uncounted:
        yield f"{extra.what}, not counted", extra.derivation
    for axis, field in _grouped(layer.fields):
        yield from _field(anatomy, layer, axis, field)
    if layer.activation_bytes.derivation:
        yield "output in bytes", layer.activation_bytes.derivation
    if layer.saved_bytes.value:
        text = f"{layer.saved_bytes.value:,}"
        yield "kept for backward", f"{text} bytes {layer.saved_bytes.derivation}"


def _sizes(layer: Layer) -> Iterator[Line]:
    """Yield the output size; axes that are alike share a line."""
    groups: list[tuple[list[str], Axis]] = []
    for axis in layer.axes:
        for names, other in groups:
            if other.derivation == axis.derivation:
                names.append(axis.name)
                break
        else:
            groups.append(([axis.name], axis))
    for names, axis in groups:
        yield " and ".join(names), axis.derivation
        for note in axis.notes:
            yield "note", note


def _grouped(fields: tuple[Field, ...]) -> Iterator[tuple[str, Field]]:
    groups: list[tuple[list[str], Field]] = []
    for field in fields:
        key = (field.size, field.jump, field.start, field.end, field.whole, field.note)
        for names, other in groups:
            if key == (*(other.size, other.jump, other.start, other.end, other.whole, other.note),):
                names.append(field.axis)
                break
        else:
            groups.append(([field.axis], field))
    for names, field in groups:
        yield " and ".join(names), field


def _field(anatomy: Anatomy, layer: Layer, axes: str, field: Field) -> Iterator[Line]:
    """Yield the receptive field; a window's derivation shows the field it starts from."""
    name = f"receptive field, {axes}"
    if field.whole and field.jump is None:
        yield name, "the whole input"
        return
    window = next((axis for axis in layer.axes if axis.name in axes and axis.kernel), None)
    before = _before(anatomy, layer, axes.partition(" and ")[0])
    if window is not None and before is not None and before.jump and layer.kind != "resize":
        yield from _window(axes, window, before, field)
    elif field.jump is not None:
        yield name, f"{field.size} positions, jump {field.jump}, start {field.start}"
    else:
        yield name, f"{field.size} positions, from {field.start} to {field.end} at most"
    if field.note:
        yield "note", field.note
    if field.status == "bound":
        yield "note", "a bound: the true field may differ as the note says"


def _window(axes: str, axis: Axis, before: Field, field: Field) -> Iterator[Line]:
    """Yield how a window widens the field: size + (k - 1) jump, jump * stride, start - p jump."""
    name = f"receptive field, {axes}"
    kernel, stride = axis.kernel or 1, axis.stride or 1
    pad = axis.padding[0] if axis.padding else 0
    dilation = axis.dilation or 1
    jump = before.jump or "1"
    spread = f"({kernel} - 1)" if dilation == 1 else f"{dilation}*({kernel} - 1)"
    if field.jump is not None and field.jump == str(Fraction(jump) * stride):
        yield name, f"{before.size} + {spread}*{jump} = {field.size}"
        yield f"jump, {axes}", f"{jump}*{stride} = {field.jump}"
        yield f"start, {axes}", f"{before.start} - {pad}*{jump} = {field.start}"
    else:
        yield name, f"{field.size} positions, jump {field.jump}, start {field.start}"


def _before(anatomy: Anatomy, layer: Layer, axis: str) -> Field | None:
    """Return the field of the layer before; the input itself sees one position."""
    if len(layer.inputs) != 1:
        return None
    index = layer.inputs[0]
    if index < 0:
        return Field(axis, 1, "1", 0, 0, False)
    return next((item for item in anatomy.layers[index].fields if item.axis == axis), None)
