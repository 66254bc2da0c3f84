"""Which windows a call slides over which axes, read from the call's arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gradatim.anatomy import sizes
from gradatim.anatomy.trace import Call, Value


@dataclass(frozen=True)
class Sliding:
    """What happens along one axis.

    ``kind``: ``window`` (convolution, pooling), ``transposed``, ``adaptive`` or ``resized``.
    """

    kind: Literal["window", "transposed", "adaptive", "resized"]
    input: int
    output: int
    kernel: int = 1
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    ceil_mode: bool = False
    output_padding: int = 0
    smooth: bool = False

    def size(self) -> sizes.Size:
        """Return the derivation of the output length."""
        if self.kind == "window":
            return sizes.window(
                self.input,
                self.kernel,
                self.stride,
                self.padding,
                self.dilation,
                ceil_mode=self.ceil_mode,
            )
        if self.kind == "transposed":
            return sizes.transposed(
                self.input,
                self.kernel,
                self.stride,
                self.padding[0],
                self.output_padding,
                self.dilation,
            )
        if self.kind == "adaptive":
            return sizes.adaptive(self.input, self.output)
        return sizes.resized(self.input, self.output)


SIGNATURES: dict[str, tuple[str, ...]] = {
    "conv": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv_transpose": (
        *("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    ),
    "convolution": (
        *("input", "weight", "bias", "stride", "padding", "dilation", "transposed"),
        *("output_padding", "groups"),
    ),
    "max_pool": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool": ("input", "kernel_size", "stride", "padding", "ceil_mode"),
    "lp_pool": ("input", "norm_type", "kernel_size", "stride", "ceil_mode"),
    "adaptive": ("input", "output_size"),
    "interpolate": ("input", "size", "scale_factor", "mode"),
}
_FAMILIES = (
    (re.compile(r"conv_transpose[123]d"), "conv_transpose"),
    (re.compile(r"conv[123]d"), "conv"),
    (re.compile(r"_?convolution"), "convolution"),
    (re.compile(r"_?adaptive_(avg|max)_pool[123]d(_with_indices)?"), "adaptive"),
    (re.compile(r"max_pool[123]d(_with_indices)?"), "max_pool"),
    (re.compile(r"avg_pool[123]d"), "avg_pool"),
    (re.compile(r"lp_pool[123]d"), "lp_pool"),
    (re.compile(r"interpolate|upsample\w*|_upsample\w*"), "interpolate"),
)


def family(function: str) -> str | None:
    """Return the family of a function that slides windows, or None."""
    return next((name for pattern, name in _FAMILIES if pattern.fullmatch(function)), None)


def bound(call: Call, names: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a call by name."""
    return dict(zip(names, call.arguments, strict=False)) | dict(call.options)


def _each(value: Any, count: int) -> list[int]:
    items = list(value) if isinstance(value, tuple | list) else [value]
    return [int(item) for item in (items * count if len(items) == 1 else items)]


def is_transposed(call: Call) -> bool:
    """Whether a convolution is a transposed one."""
    kind = family(call.function)
    return kind == "conv_transpose" or (
        kind == "convolution" and bool(bound(call, SIGNATURES["convolution"]).get("transposed"))
    )


def groups(call: Call) -> int:
    """Return the groups of a convolution."""
    return int(bound(call, SIGNATURES[family(call.function) or "conv"]).get("groups") or 1)


def slidings(call: Call) -> tuple[Sliding, ...]:
    """Return what happens along each of the last axes of the input; () when nothing slides."""
    kind = family(call.function)
    if kind is None or not call.outputs:
        return ()
    given = bound(call, SIGNATURES[kind])
    source, made = given.get("input"), call.outputs[0]
    if not isinstance(source, Value):
        return ()
    if kind in ("conv", "conv_transpose", "convolution"):
        return _convolution(given, source, made, is_transposed(call))
    count = len(source.shape) - 2 if kind == "interpolate" else _axes(call.function)
    pairs = list(zip(source.shape[-count:], made.shape[-count:], strict=True))
    if kind == "adaptive":
        return tuple(Sliding("adaptive", before, after) for before, after in pairs)
    if kind == "interpolate":
        mode = str(given.get("mode") or call.function)
        return tuple(
            Sliding("resized", before, after, smooth="nearest" not in mode)
            for before, after in pairs
        )
    kernel = _each(given["kernel_size"], count)
    stride = _each(given["stride"], count) if given.get("stride") else kernel
    padding = _each(given.get("padding") or 0, count)
    dilation = _each(given.get("dilation") or 1, count)
    ceil_mode = bool(given.get("ceil_mode"))
    return tuple(
        Sliding(
            "window", *pairs[i], kernel[i], stride[i], (padding[i],) * 2, dilation[i], ceil_mode
        )
        for i in range(count)
    )


def _axes(function: str) -> int:
    found = re.search(r"([123])d", function)
    return int(found.group(1)) if found else 2


def _convolution(
    given: dict[str, Any], source: Value, made: Value, transposed: bool
) -> tuple[Sliding, ...]:
    kernel = given["weight"].shape[2:]
    count = len(kernel)
    stride = _each(given.get("stride") or 1, count)
    dilation = _each(given.get("dilation") or 1, count)
    output_padding = _each(given.get("output_padding") or 0, count)
    wanted = given.get("padding") or 0
    padding: list[tuple[int, int]]
    if wanted == "same":
        total = [dilation[i] * (kernel[i] - 1) for i in range(count)]
        padding = [(item // 2, item - item // 2) for item in total]
    elif wanted == "valid":
        padding = [(0, 0)] * count
    else:
        padding = [(item, item) for item in _each(wanted, count)]
    return tuple(
        Sliding(
            "transposed" if transposed else "window",
            source.shape[i - count],
            made.shape[i - count],
            kernel[i],
            stride[i],
            padding[i],
            dilation[i],
            output_padding=output_padding[i],
        )
        for i in range(count)
    )
