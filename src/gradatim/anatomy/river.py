"""The river view: a network as a picture on one page. No torch.

From left to right the map that flows through: height is its size, width its channels (both on
logarithmic scales, or the first layers would hide all others). Below, in line with each place,
three bars: parameters, MACs, memory of the outputs. Repetitions are one place with their count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gradatim.anatomy.parts import Anatomy, Block, Layer

MOST = 30
"""Places drawn at most; larger networks are drawn by blocks."""
_HIDDEN = ("move", "activation", "dropout", "normalisation", "arithmetic", "other")
_WIDTH, _TOP, _RIVER, _BAR, _GAP = 760, 46, 170, 60, 22
_LEFT = 106


@dataclass(frozen=True)
class Place:
    """What is drawn at one place of the river.

    Attributes:
        name: shown below.
        kind: of the layer or class of the block.
        count: repetitions it stands for.
        channels, size: of the map that leaves it.
        parameters, macs, memory: of everything it stands for.
        layers: how many layers it stands for.
    """

    name: str
    kind: str
    count: int
    channels: int
    size: int
    parameters: int
    macs: int
    memory: int
    layers: int


def places(anatomy: Anatomy, most: int = MOST) -> tuple[Place, ...]:
    """Return at most ``most`` places: blocks are opened as long as they fit, the largest first."""
    opened: list[Block] = [block for block in anatomy.blocks if _drawn(anatomy, block)]
    while True:
        fitting = []
        for index, block in enumerate(opened):
            inside = [child for child in block.children if _drawn(anatomy, child)]
            if block.count == 1 and inside and len(opened) - 1 + len(inside) <= most:
                fitting.append((len(block.layers), index, inside))
        if not fitting:
            break
        _, index, inside = max(fitting, key=lambda item: (item[0], -item[1]))
        opened[index : index + 1] = inside
    return tuple(_place(anatomy, block) for block in opened[: most * 2])


def _drawn(anatomy: Anatomy, block: Block) -> bool:
    """Whether a block does more than move, activate or normalise."""
    return any(anatomy.layers[index].kind not in _HIDDEN for index in block.layers)


def _place(anatomy: Anatomy, block: Block) -> Place:
    inside = [anatomy.layers[index] for index in block.layers]
    main = [layer for layer in inside if layer.kind not in _HIDDEN]
    channels, size = extent(main[-1])
    single = not block.children
    return Place(
        name=block.name,
        kind=main[-1].kind if single else block.kind,
        count=block.count,
        channels=channels,
        size=size,
        parameters=sum(layer.weights.value + layer.biases.value for layer in inside),
        macs=sum(layer.macs.value for layer in inside),
        memory=sum(layer.activation_bytes.value for layer in inside),
        layers=len(inside),
    )


def extent(layer: Layer) -> tuple[int, int]:
    """Return channels and size of a layer's output: maps have them first, tokens last."""
    shape = layer.output_shapes[0]
    if len(shape) >= 4 and (layer.axes or layer.kind in ("convolution", "pooling", "merge")):
        tokens = layer.kind == "linear"
        return (shape[-1], max(shape[1:-1])) if tokens else (shape[1], max(shape[2:]))
    if len(shape) >= 3:
        maps = layer.kind == "convolution" or layer.function.endswith("1d")
        return (shape[1], shape[2]) if maps else (shape[-1], max(shape[1:-1]))
    return (shape[-1] if shape else 1), 1


def river(anatomy: Anatomy) -> bytes:
    """Return the river view as an SVG file that follows light and dark."""
    shown = places(anatomy)
    if not shown:
        return b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"/>'
    names = _labels([_named(place) for place in shown])
    label_room = 14 + round(5.4 * max(len(name) for name in names) * math.sin(math.radians(58)))
    bars_top = _TOP + _RIVER + label_room
    height = bars_top + 3 * (_BAR + _GAP) + 14
    step = (_WIDTH - _LEFT - 16) / len(shown)
    centres = [_LEFT + step * (index + 0.5) for index in range(len(shown))]
    middle = _TOP + _RIVER / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(_title(anatomy))}</title>",
        _STYLE,
        f'<text class="t" x="12" y="20" font-size="13">{escape(_title(anatomy))}</text>',
        f'<text class="q" x="12" y="{middle:.0f}">height: size</text>'
        f'<text class="q" x="12" y="{middle + 14:.0f}">width: channels</text>',
    ]
    boxes = [_box(place, shown, step) for place in shown]
    parts += _water(centres, boxes, middle)
    for place, name, x, (wide, high) in zip(shown, names, centres, boxes, strict=True):
        parts.append(_drawn_box(place, name, x, wide, high, middle, _TOP + _RIVER + 12))
    rows: tuple[tuple[str, list[int], str], ...] = (
        ("parameters", [place.parameters for place in shown], "a"),
        ("MACs", [place.macs for place in shown], "b"),
        ("memory", [place.memory for place in shown], "c"),
    )
    for row, (what, values, colour) in enumerate(rows):
        top = bars_top + row * (_BAR + _GAP)
        parts += _bars(what, values, colour, centres, step, top)
    parts.append("</svg>")
    return "".join(parts).encode()


_STYLE = (
    "<style>"
    "text{fill:#3b3f46}.q{fill:#6b7078}.w{fill:#cfe0ee}.box{fill:#4c78a8}.fold{fill:#2d5580}"
    ".a{fill:#4c78a8}.b{fill:#c8702a}.c{fill:#4a8f5b}.line{stroke:#c9ccd1}"
    "@media(prefers-color-scheme:dark){text{fill:#dfe2e6}.q{fill:#a0a5ad}.w{fill:#2a3b4a}"
    ".box{fill:#7aa6d2}.fold{fill:#a9cbeb}.a{fill:#7aa6d2}.b{fill:#e39a5f}.c{fill:#7cc08d}"
    ".line{stroke:#4a4f57}}</style>"
)


def _title(anatomy: Anatomy) -> str:
    totals = anatomy.totals
    return (
        f"{anatomy.name}: {totals.parameters.value:,} parameters, {totals.macs.value:,} MACs, "
        f"{totals.activation_bytes.value / 2**20:,.1f} MiB of outputs"
    )


_SHORT = {"convolution": "conv", "pooling": "pool", "recurrent": "recurrent", "merge": "merge"}


def _named(place: Place) -> str:
    """Return the name of a place; a bare number, as in ``features.0``, gets its kind."""
    bare = place.name.rpartition(".")[2].isdigit() and place.count == 1
    return f"{place.name} {_SHORT.get(place.kind, place.kind)}" if bare else place.name


def _labels(names: Sequence[str]) -> list[str]:
    """Return short names: no longer than 22 signs, the end kept, which tells most."""
    short = []
    for name in names:
        first, middle, last = name.partition(" to ")
        if middle:  # layer3.1 to layer3.35 -> layer3.1-35
            shared = first.rpartition(".")[0]
            same = shared and last.startswith(shared + ".")
            name = f"{first}-{last[len(shared) + 1 :]}" if same else f"{first}-{last}"
        short.append(name if len(name) <= 22 else "…" + name[-21:])
    return short


def _box(place: Place, shown: Sequence[Place], step: float) -> tuple[float, float]:
    """Return width and height of a place, logarithmic in channels and size."""
    most_channels = max(math.log2(1 + item.channels) for item in shown)
    most_size = max(math.log2(1 + item.size) for item in shown)
    wide = step * (0.12 + 0.62 * math.log2(1 + place.channels) / most_channels)
    high = _RIVER * max(0.035, math.log2(1 + place.size) / most_size) * 0.96
    return max(wide, 2.0), max(high, 5.0)


def _water(
    centres: Sequence[float], boxes: Sequence[tuple[float, float]], middle: float
) -> list[str]:
    """Return the banks between neighbouring places."""
    shapes = []
    pairs = zip(centres, centres[1:], boxes, boxes[1:], strict=False)
    for x, x_next, (wide, high), (wide_next, high_next) in pairs:
        left, right = x + wide / 2, x_next - wide_next / 2
        shapes.append(
            f'<path class="w" d="M{left:.1f} {middle - high / 2:.1f}L{right:.1f} '
            f"{middle - high_next / 2:.1f}V{middle + high_next / 2:.1f}L{left:.1f} "
            f'{middle + high / 2:.1f}Z"/>'
        )
    return shapes


def _drawn_box(
    place: Place, name: str, x: float, wide: float, high: float, middle: float, below: float
) -> str:
    times = f" x {place.count}, identical" if place.count > 1 else ""
    said = (
        f"{place.name}{times}: {place.channels} channels, size {place.size}, "
        f"{place.parameters:,} parameters, {place.macs:,} MACs, {place.memory:,} bytes"
    )
    kind = "fold" if place.count > 1 else "box"
    found = (
        f"<g><title>{escape(said)}</title>"
        f'<rect class="{kind}" x="{x - wide / 2:.1f}" y="{middle - high / 2:.1f}" '
        f'width="{wide:.1f}" height="{high:.1f}" rx="1.5"/>'
    )
    if place.count > 1:
        found += (
            f'<text x="{x:.1f}" y="{middle - high / 2 - 5:.1f}" text-anchor="middle">'
            f"x {place.count}</text>"
        )
    return (
        found + f'<text class="q" font-size="10" text-anchor="end" '
        f'transform="translate({x + 3:.1f} {below:.0f}) rotate(-58)">{escape(name)}</text></g>'
    )


def _bars(
    what: str,
    values: Sequence[int],
    colour: str,
    centres: Sequence[float],
    step: float,
    top: float,
) -> list[str]:
    """Return one row of bars, linear, with its largest value."""
    most = max([*values, 1])
    total = sum(values) or 1
    foot = top + _BAR
    found = [
        f'<text x="12" y="{top + 12:.0f}">{what}</text>',
        f'<text class="q" x="12" y="{top + 27:.0f}" font-size="10">'
        f"most {_short(most, what)}</text>",
        f'<line class="line" x1="{_LEFT}" x2="{_WIDTH - 16}" y1="{foot:.1f}" y2="{foot:.1f}"/>',
    ]
    for value, x in zip(values, centres, strict=True):
        if value:
            high = max(_BAR * value / most, 0.8)
            said = f"{what}: {value:,} = {value / total:.1%} of all"
            found.append(
                f'<rect class="{colour}" x="{x - step * 0.33:.1f}" y="{foot - high:.1f}" '
                f'width="{step * 0.66:.1f}" height="{high:.1f}"><title>{said}</title></rect>'
            )
    return found


def _short(value: int, what: str) -> str:
    """Write a large number in short: ``118 M``, memory as ``1.5 MiB``."""
    if what == "memory":
        return f"{value / 2**20:.3g} MiB"
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return str(value)
