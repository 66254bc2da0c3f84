"""One output value of a convolution opened up: patch, kernel, products, sum, bias, activation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradatim.errors import UsageError, ValueRefusedError


@dataclass(frozen=True)
class Channel:
    """What one input channel gives: patch, kernel and their products, as rows of numbers."""

    channel: int
    patch: tuple[tuple[float, ...], ...]
    kernel: tuple[tuple[float, ...], ...]
    products: tuple[tuple[float, ...], ...]
    sum: float


@dataclass(frozen=True)
class Pixel:
    """One output value of a convolution, derived.

    Attributes:
        output_channel, row, column: where the value is.
        rows, columns: input positions of the taps; those outside the input are padding.
        channels: what each input channel gives.
        sum: of all products.
        bias: added to it, None where the layer has none.
        value: sum and bias.
        activation: name of the function behind, or empty.
        activated: its result.
        measured: what the layer itself answers there.
        agrees: whether both are equal, to rounding.
    """

    output_channel: int
    row: int
    column: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    channels: tuple[Channel, ...]
    sum: float
    bias: float | None
    value: float
    activation: str
    activated: float
    measured: float
    agrees: bool

    def lines(self, most: int = 9) -> tuple[tuple[str, str], ...]:
        """Return the derivation as pairs (what, formula); sums are cut after ``most`` terms."""
        found = []
        for item in self.channels[:4]:
            pairs = zip(_flat(item.patch), _flat(item.kernel), strict=True)
            terms = [f"{_number(x)}*{_number(w)}" for x, w in pairs]
            cut = " + ..." if len(terms) > most else ""
            found.append(
                (
                    f"channel {item.channel}",
                    f"{' + '.join(terms[:most])}{cut} = {_number(item.sum)}",
                )
            )
        if len(self.channels) > 4:
            found.append((f"{len(self.channels) - 4} more channels", "..."))
        sums = [_number(item.sum) for item in self.channels[:most]]
        more = " + ..." if len(self.channels) > most else ""
        if len(self.channels) > 1:
            found.append(("sum", f"{' + '.join(sums)}{more} = {_number(self.sum)}"))
        if self.bias is not None:
            found.append(
                (
                    "bias",
                    f"{_number(self.sum)} + {_number(self.bias)} = {_number(self.value)}",
                )
            )
        if self.activation:
            found.append(
                (
                    "activation",
                    f"{self.activation}({_number(self.value)}) = {_number(self.activated)}",
                )
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def _number(value: float) -> str:
    return f"{value:.4g}" if value >= 0 else f"({value:.4g})"


def _flat(rows: tuple[tuple[float, ...], ...]) -> list[float]:
    return [value for row in rows for value in row]


def open_pixel(
    layer: nn.Conv2d,
    x: Tensor,
    row: int,
    column: int,
    channel: int = 0,
    activation: nn.Module | None = None,
) -> Pixel:
    """Derive one output value of a convolution.

    Args:
        layer: the convolution; zero padding only is opened up by hand, others through the padded
            input, as PyTorch pads it.
        x: its input, ``C x H x W`` or ``1 x C x H x W``.
        row: row in the output.
        column: column in the output.
        channel: channel of the output.
        activation: what comes behind, to show its result too.

    Raises:
        UsageError: the layer is no two-dimensional convolution, or the input is no single sample.
        ValueRefusedError: the output has no such position or channel.
    """
    if not isinstance(layer, nn.Conv2d):
        raise UsageError(
            "only a two-dimensional convolution can be opened up", given=type(layer).__name__
        )
    x_CHW = x[0] if x.dim() == 4 and len(x) == 1 else x
    if x_CHW.dim() != 3:
        raise UsageError(
            "one sample is opened up at a time",
            given="x".join(map(str, x.shape)),
            allowed="channels x height x width",
        )
    with torch.no_grad():
        output_CHW = layer(x_CHW[None].to(layer.weight.dtype))[0]
        for name, place, length in zip(
            ("channel", "row", "column"), (channel, row, column), output_CHW.shape, strict=True
        ):
            if not 0 <= place < length:
                raise ValueRefusedError(
                    f"the output has no {name} {place}", given=place, allowed=f"0 to {length - 1}"
                )
        before = _paddings(layer)
        padded = _padded(layer, x_CHW, before)
        rows = _taps(layer, 0, row)
        columns = _taps(layer, 1, column)
        weight = layer.weight[channel].double()
        per_group = layer.in_channels // layer.groups
        first = channel // (layer.out_channels // layer.groups) * per_group
        patch = padded[first : first + per_group][:, rows][:, :, columns].double()
        products = patch * weight
        total = float(products.sum())
        bias = None if layer.bias is None else float(layer.bias[channel])
        value = total + (bias or 0.0)
        name, activated = "", value
        if activation is not None:
            name = type(activation).__name__
            activated = float(activation(torch.tensor([value], dtype=layer.weight.dtype))[0])
        measured = float(output_CHW[channel, row, column])
    channels = tuple(
        Channel(
            first + index,
            _rows(patch[index]),
            _rows(weight[index]),
            _rows(products[index]),
            float(products[index].sum()),
        )
        for index in range(per_group)
    )
    scale = float(products.abs().sum()) + abs(bias or 0.0) + 1e-12
    return Pixel(
        output_channel=channel,
        row=row,
        column=column,
        rows=tuple(place - before[0][0] for place in rows),
        columns=tuple(place - before[1][0] for place in columns),
        channels=channels,
        sum=total,
        bias=bias,
        value=value,
        activation=name,
        activated=activated,
        measured=measured,
        agrees=abs(measured - value) <= 1e-5 * scale,
    )


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)


def _paddings(layer: nn.Conv2d) -> list[tuple[int, int]]:
    """Return the padding before and after, for height and width."""
    if layer.padding == "same":
        spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [(span // 2, span - span // 2) for span in spans]
    if layer.padding == "valid":
        return [(0, 0), (0, 0)]
    return [(int(amount), int(amount)) for amount in layer.padding]


def _padded(layer: nn.Conv2d, x_CHW: Tensor, amounts: list[tuple[int, int]]) -> Tensor:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    (top, bottom), (left, right) = amounts
    return functional.pad(x_CHW[None], (left, right, top, bottom), mode=mode)[0]


def _taps(layer: nn.Conv2d, axis: int, position: int) -> list[int]:
    """Return the positions of the padded input that an output position reads."""
    first = position * layer.stride[axis]
    return [first + tap * layer.dilation[axis] for tap in range(layer.kernel_size[axis])]
