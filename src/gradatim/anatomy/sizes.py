"""How large an output is, and why: the sliding window along one axis. No torch.

Every function answers with a derivation in plain text, such as
``(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55``, beside the number it derives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from gradatim.errors import ValueRefusedError


@dataclass(frozen=True)
class Size:
    """The length of an output along one axis, with its derivation.

    Attributes:
        input: length before.
        output: length after.
        formula: the rule in letters.
        derivation: the rule with its numbers and its result.
        exact: the result before rounding.
        fits: whether the windows end exactly at the end, so that nothing was rounded.
        padded: length of the padded input.
        unread: positions of the padded input, counted from 0, that no window reads.
        notes: what a reader should know, one sentence each.
    """

    input: int
    output: int
    formula: str
    derivation: str
    exact: float
    fits: bool = True
    padded: int = 0
    unread: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def ranges(positions: Sequence[int]) -> str:
    """Write sorted positions in short: ``0, 4-6``; many of them end in an ellipsis."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], position]
        else:
            runs.append([position])
    shown = ["-".join(str(end) for end in run) for run in runs[:6]]
    return ", ".join(shown) + (", ..." if len(runs) > 6 else "")


def number(value: Fraction | float) -> str:
    """Write a number with at most two decimals and no trailing zeros: ``55.25``, ``55``."""
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def _check(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueRefusedError(
            f"the {name} of a sliding window must be at least {least}", given=value
        )


def window(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
) -> Size:
    """Return the output length of a convolution or pooling along one axis.

    The rule is ``(n - k + 2p)/s + 1``, rounded down; the kernel reaches ``d (k - 1) + 1`` positions
    when dilated. With ``ceil_mode`` it is rounded up, except that a last window which would begin
    in the padding at the end is dropped (the rule of ``torch.nn.MaxPool2d``).

    Args:
        size: length of the input.
        kernel: taps of the kernel.
        stride: step from one window to the next.
        padding: positions added at each end, or (before, after).
        dilation: distance between taps.
        ceil_mode: round up instead of down.

    Raises:
        ValueRefusedError: a value below its least, or a kernel longer than the padded input.
    """
    for name, value in (("input", size), ("kernel", kernel), ("stride", stride)):
        _check(name, value, 1)
    _check("dilation", dilation, 1)
    before, after = padding if isinstance(padding, tuple) else (padding, padding)
    _check("padding", min(before, after), 0)

    reach = dilation * (kernel - 1) + 1
    padded = size + before + after
    kernel_text = str(kernel) if dilation == 1 else f"({dilation}*({kernel} - 1) + 1)"
    if before == after:
        padding_text = f" + 2*{before}" if before else ""
        rule_padding = " + 2p"
    else:
        padding_text = f" + {before} + {after}"
        rule_padding = " + p_before + p_after"
    rule_kernel = "k" if dilation == 1 else "(d(k - 1) + 1)"
    formula = f"(n - {rule_kernel}{rule_padding})/s + 1"
    if reach > padded and not (ceil_mode and reach - padded < stride):
        raise ValueRefusedError(
            f"a kernel that reaches {reach} positions does not fit into a padded input of {padded}",
            given=f"({size} - {kernel_text}{padding_text})/{stride} + 1",
            next_step=f"use a kernel of at most {(padded - 1) // dilation + 1}, "
            f"more padding, or an input of at least {reach - before - after}",
        )

    exact = Fraction(padded - reach, stride) + 1
    output = math.ceil(exact) if ceil_mode else math.floor(exact)
    notes = []
    if ceil_mode and (output - 1) * stride >= size + before:
        output -= 1
        notes.append("the last window would begin in the padding at the end, so it is dropped")
    derivation = f"({size} - {kernel_text}{padding_text})/{stride} + 1 = {number(exact)}"
    fits = exact.denominator == 1
    if not fits or output != exact:
        derivation += f" -> {output}"

    unread = _unread(padded, output, kernel, stride, dilation)
    overrun = (output - 1) * stride + reach - padded
    if not fits and not ceil_mode:
        notes.append(f"stride {stride} does not fit evenly: {number(exact)} is rounded down")
    if not fits and ceil_mode and overrun > 0:
        notes.append(
            f"ceil_mode rounds {number(exact)} up: the last window reaches {overrun} beyond the "
            "end, where nothing is read"
        )
    if unread:
        notes.append(_say_unread(unread, size, before, padded))
    return Size(size, output, formula, derivation, float(exact), fits, padded, unread, tuple(notes))


def _unread(padded: int, output: int, kernel: int, stride: int, dilation: int) -> tuple[int, ...]:
    if dilation == 1 and stride <= kernel:  # windows touch: only the end can be left over
        return tuple(range(min(padded, (output - 1) * stride + kernel), padded))
    read = {i * stride + t * dilation for i in range(output) for t in range(kernel)}
    return tuple(sorted(set(range(padded)) - read))


def _say_unread(unread: tuple[int, ...], size: int, before: int, padded: int) -> str:
    inside = [position for position in unread if before <= position < before + size]
    many = len(unread) > 1
    where = (
        "only padding"
        if not inside
        else f"{len(inside)} of them inside the input"
        if many
        else "inside the input"
    )
    return (
        f"position{'s' if many else ''} {ranges(unread)} of the {padded} padded ones "
        f"{'are' if many else 'is'} never read ({where})"
    )


def transposed(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> Size:
    """Return the output length of a transposed convolution: ``(n - 1)s - 2p + d(k - 1) + o + 1``.

    Raises:
        ValueRefusedError: a value below its least, or nothing is left.
    """
    for name, value in (("input", size), ("kernel", kernel), ("stride", stride)):
        _check(name, value, 1)
    output = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1
    text = (
        f"({size} - 1)*{stride} - 2*{padding} + {dilation}*({kernel} - 1) + {output_padding} + 1"
        f" = {output}"
    )
    if output < 1:
        raise ValueRefusedError("the padding cuts the whole output away", given=text)
    return Size(size, output, "(n - 1)s - 2p + d(k - 1) + o + 1", text, float(output))


def adaptive_windows(size: int, output: int) -> tuple[tuple[int, int], ...]:
    """Return the windows (first, one past the last) of an adaptive pooling.

    Window i is ``floor(i n / m)`` to ``ceil((i + 1) n / m)``, the rule of
    ``torch.nn.AdaptiveAvgPool2d``.
    """
    return tuple((i * size // output, -((-(i + 1) * size) // output)) for i in range(output))


def adaptive(size: int, output: int) -> Size:
    """Return the windows of an adaptive pooling to a given length, in words."""
    windows = adaptive_windows(size, output)
    lengths = sorted({end - start for start, end in windows})
    if output == 1:
        text = f"all {size} -> 1"
    elif output == size:
        text = f"{size} -> {size}: every window is one position, nothing changes"
    else:
        shown = ", ".join(f"[{start}, {end})" for start, end in windows[:4])
        text = f"floor(i*{size}/{output}) to ceil((i + 1)*{size}/{output}): {shown}"
        text += ", ..." if output > 4 else ""
    notes = []
    if len(lengths) > 1:
        notes.append(f"the windows have different lengths: {', '.join(map(str, lengths))}")
    if any(a[1] > b[0] for a, b in pairwise(windows)):
        notes.append("neighbouring windows overlap")
    return Size(
        size,
        output,
        "floor(i n/m) to ceil((i + 1) n/m)",
        text,
        float(output),
        padded=size,
        notes=tuple(notes),
    )


def resized(size: int, output: int) -> Size:
    """Return the derivation of an interpolation: the ratio of the lengths."""
    ratio = number(Fraction(output, size))
    return Size(size, output, "n * scale", f"{size}*{ratio} = {output}", float(output), padded=size)


def product(factors: Sequence[int], result: int | None = None) -> str:
    """Write a product with its result: ``64*3*11*11 = 23,232``."""
    value = math.prod(factors) if result is None else result
    if len(factors) <= 1:
        return f"{value:,}"
    return f"{'*'.join(str(factor) for factor in factors)} = {value:,}"


@dataclass(frozen=True)
class Sharing:
    """What sharing one kernel over all positions saves.

    Attributes:
        neurons: number of output values.
        unshared: parameters when every output value had its own kernel and bias.
        shared: parameters of the convolution: weights and one bias per kernel.
        lines: the derivation, pairs (what, formula).
    """

    neurons: int
    unshared: int
    shared: int
    lines: tuple[tuple[str, str], ...]


def sharing(output: Sequence[int], channels: int, kernel: Sequence[int]) -> Sharing:
    """Compare a convolution with a layer of the same windows and no shared weights.

    Args:
        output: channels of the output, then its spatial lengths.
        channels: channels one kernel reads (input channels / groups).
        kernel: taps along each axis.
    """
    taps = channels * math.prod(kernel)
    neurons = math.prod(output)
    kernels = output[0]
    each = "*".join(str(k) for k in kernel)
    return Sharing(
        neurons=neurons,
        unshared=neurons * (taps + 1),
        shared=kernels * (taps + 1),
        lines=(
            ("neurons", product([*output[1:], kernels])),
            ("parameters of one neuron", f"{each}*{channels} + 1 = {taps + 1:,}"),
            ("not shared", f"{neurons:,}*{taps + 1:,} = {neurons * (taps + 1):,}"),
            (
                "shared",
                f"{kernels}*{taps} + {kernels} = {kernels * taps:,} + {kernels} "
                f"= {kernels * (taps + 1):,}",
            ),
        ),
    )


def stacked_field(kernels: Sequence[int], strides: Sequence[int] | None = None) -> int:
    """Return how many positions one output of stacked convolutions sees: r += (k - 1) jump."""
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides or [1] * len(kernels), strict=True):
        field += (kernel - 1) * jump
        jump *= stride
    return field


def effective_field(layers: int, kernel: int) -> float:
    """Return the standard deviation, in positions, of the gradient of stacked linear convolutions.

    ``sqrt(n (k^2 - 1)/12)`` for n layers of equal weights: each layer adds the variance of a
    uniform distribution over k positions (Luo et al. 2016, "Understanding the effective receptive
    field in deep convolutional neural networks").
    """
    return math.sqrt(layers * (kernel**2 - 1) / 12)
